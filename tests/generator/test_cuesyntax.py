"""CUE is read as `cue` reads it: same structure, and every node knows its place."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_generator import cuesyntax
from tandem_generator.cuesyntax import nodes as n
from tandem_generator.cuesyntax.canonical import canonical


def value(text: str) -> n.Expression:
    """Parse `x: <text>` and return the value."""
    (field,) = n.fields(cuesyntax.parse(f"x: {text}\n").body)
    return field.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('*"a" | string', '((*"a") | string)'),
        ("1 + 2 * 3 == 7 && !b", "(((1 + (2 * 3)) == 7) && (!b))"),
        ("int & >=0 & <=0.5 | .5", "(((int & (>=0)) & (<=0.5)) | .5)"),
        ('parameter["a-b"].c[0](d, e)', 'parameter["a-b"].c[0](d, e)'),
        ('"\\(a.b):v\\(c[1])"', '("" + a.b + ":v" + c[1] + "")'),
        ('#"a\\n\\#(b)"#', '("a\\\\n" + b + "")'),
        ('"say \\"hi\\" \\u0041"', '"say \\"hi\\" A"'),
        ("[if a {b}, c][0]", "[if a {b}, c][0]"),
        ("a[1:2]", "a[:]"),
        ("_|_", "_|_"),
        ("5Gi", "5Gi"),
        ("a !~ b", "(a !~ b)"),
    ],
)
def test_an_expression_binds_as_in_cue(text: str, expected: str) -> None:
    assert canonical(value(text)) == expected


def test_a_text_of_several_lines_has_no_indent() -> None:
    assert canonical(value('"""\n\ta\n\t  b\n\t"""')) == '"a\\n  b"'


def test_every_kind_of_declaration_is_told_apart() -> None:
    text = """
package main
import ("strings", k "vela/kube:x")
a: b: c: 1
if: 2
"q-x"?: int
(d): 3
[string]: 4
X=e: 5
let f = 6
if a.b != _|_ if true {g: 7}
for k, v in a {"\\(k)": v}
{embedded: 8}
...
"""
    tree = cuesyntax.parse(text)
    assert [(i.name, i.path) for i in tree.imports] == [
        ("strings", "strings"),
        ("k", "vela/kube:x"),
    ]
    kinds = [
        (type(e).__name__, e.name if isinstance(e, n.Field | n.Let) else "")
        for e in tree.body.elements
    ]
    assert kinds == [
        ("Field", "a"),
        ("Field", "if"),
        ("Field", "q-x"),
        ("Field", ""),
        ("Field", ""),
        ("Field", "e"),
        ("Let", "f"),
        ("Comprehension", ""),
        ("Comprehension", ""),
        ("Embedding", ""),
        ("Rest", ""),
    ]


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r")))
def test_any_text_survives_as_a_literal(text: str) -> None:
    node = value(json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f"))
    assert node == n.Text(3, node.end, text)


@given(st.text(alphabet='ab:{}[]()"\\#|&*=!?.,\n /_1', max_size=40))
def test_broken_text_is_a_syntax_error_and_nothing_else(text: str) -> None:
    with contextlib.suppress(cuesyntax.CueSyntaxError):
        cuesyntax.parse(text)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: {\n\tb: 1\n", 3, "expected `}`"),
        ('a: 1\nb: "open\n', 2, "never ends"),
        ("a: 1\nb:\n}\n", 3, "expected a value"),
    ],
)
def test_an_error_names_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(cuesyntax.CueSyntaxError, match=message) as caught:
        cuesyntax.parse(text)
    assert cuesyntax.line_of(text, caught.value.offset) == line


def test_all_cue_of_the_addon_is_read(root: Path) -> None:
    files = sorted((root / "addon").rglob("*.cue"))
    assert len(files) > 5
    for file in files:
        cuesyntax.parse(file.read_text(encoding="utf-8"))
