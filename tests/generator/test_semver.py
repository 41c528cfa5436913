"""`semver` says which version step a change of a definition needs, and why."""

import itertools
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_generator import cuesyntax, definitionfile, semver
from tandem_generator.cuesyntax import nodes as n
from tandem_generator.definitionfile import Template
from tandem_generator.semver import Step, Version, step
from tandem_generator.semver.types import allows

Row = tuple[int, str, str]
"""Line within the template, step, message."""


def template(text: str, file: str = "new.cue") -> Template:
    whole = f'it: type: "component"\ntemplate: {{\n{dedent(text).strip()}\n}}\n'
    (read,) = definitionfile.parse(whole, file).templates
    return read


def reasons(old: str, new: str) -> list[Row]:
    change = semver.compare(template(old, "old.cue"), template(new))
    return [(r.line - 2, str(r.step), r.message) for r in change.reasons]


def parameter(text: str) -> str:
    return f'output: kind: "X"\nparameter: {{\n{text}\n}}'


@pytest.mark.parametrize(
    ("old", "new", "expected", "why"),
    [
        ("a: string", "", "major", "parameter a was removed"),
        ("", "a: string", "major", "required parameter a was added"),
        ("", "a!: string", "major", "required parameter a was added"),
        ("", "a: {b: string}", "major", "required parameter a was added"),
        ("", "a?: string", "minor", "optional parameter a was added"),
        ("", "a: *1 | int", "minor", "defaulted parameter a was added"),
        ("", "a: {b?: string}", "minor", "a group parameter a was added"),
        ("", "a?: {b: string}", "minor", "optional parameter a was added"),
        ("", "a: [...{b: string}]", "minor", "a group parameter a was added"),
        ("a: *1 | int", "a: *2 | int", "major", "default `2` and had `1`"),
        ("a: *1 | int", "a?: int", "major", "default none and had `1`"),
        ("a?: int", "a: *1 | int", "major", "default `1` and had none"),
        ("a: *1 | int", "a: int", "major", "is required now and was defaulted"),
        ("a?: int", "a: int", "major", "is required now and was optional"),
        ("a: int", "a?: int", "minor", "is optional now and was required"),
        ("a: int", "a: *1 | int", "minor", "is defaulted now and was required"),
        ('a: "x" | "y"', 'a: "x"', "major", "tightened"),
        ('a: "x" | "y"', 'a: "x" | "y" | "z"', "minor", "takes"),
        ('a: "x" | "y"', "a: string", "minor", "takes"),
        ("a: string", 'a: "x" | "y"', "major", "tightened"),
        ("a: int", "a: int | string", "minor", "takes"),
        ("a: int", "a: >=1 & int", "major", "tightened"),
        ("a: >=1 & int", "a: >=0 & int", "minor", "takes"),
        ("a: int", "a: string", "major", "tightened"),
        ("a: [string]: string", "a: [string]: int", "major", "a.[]"),
        ("e?: [...{n: string}]", "e?: [...{n: string, v: string}]", "major", "e.[].v"),
        ("e?: [...{n: string}]", "e?: [...{n: string, v?: string}]", "minor", "e.[].v"),
        ("s: {x: {y?: int}}", "s: {x: {}}", "major", "s.x.y was removed"),
    ],
)
def test_a_change_of_the_parameters_needs_this_step(
    old: str, new: str, expected: str, why: str
) -> None:
    change = semver.compare(template(parameter(old)), template(parameter(new)))
    assert str(change.step) == expected
    assert why in change.reasons[0].message


@pytest.mark.parametrize(
    "new",
    [
        "// another comment\na: string",
        'a:    string  // +usage=other words\nb?: "x" | "y"',
        'b?: "y" | "x"\na: string',
    ],
)
def test_comments_and_order_are_a_patch(new: str) -> None:
    old = parameter('a: string\nb?: "x" | "y"')
    with_b = new if "b?" in new else f'{new}\nb?: "x" | "y"'
    change = semver.compare(template(old), template(parameter(with_b)))
    assert change.step is Step.PATCH


def test_a_schema_that_is_named_is_the_same_as_one_in_place() -> None:
    old = parameter("e?: [...{n: string}]")
    new = f"#Env: {{n: string}}\n{parameter('e?: [...#Env]')}"
    assert semver.compare(template(old), template(new)).step is Step.PATCH


POD = """
    output: {
      kind: "Deployment"
      spec: template: spec: {
        containers: [{name: context.name, image: parameter.image}, %s]
        initContainers: [%s]
      }
    }
    parameter: {image: string, debug: *false | bool}
"""
CONTAINERS = "output.spec.template.spec.containers"
PROXY = '{name: "proxy", image: parameter.image}'


def pod(containers: str = "", inits: str = "") -> str:
    return POD % (containers, inits)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            pod(),
            pod(PROXY),
            [(4, "major", "the sidecar `proxy` was added to every pod: the pods of all")],
        ),
        (
            pod(),
            pod("", PROXY),
            [(5, "major", "the init container `proxy` was added to every pod: the pods of all")],
        ),
        (pod(PROXY), pod(), [(4, "major", "the sidecar `proxy` was removed: running pods")]),
        (
            pod(),
            pod(f"if parameter.debug {{{PROXY}}}"),
            [(4, "minor", "the sidecar `proxy` was added where parameter.debug")],
        ),
        (
            pod(f"if parameter.debug {{{PROXY}}}"),
            pod(PROXY),
            [(4, "major", "the sidecar `proxy` is in every pod now, not only on request")],
        ),
        (
            pod('{name: "proxy", image: "p:1"}'),
            pod('{name: "proxy", image: "p:2"}'),
            [(4, "major", f"{CONTAINERS}[1].image went from `p:1` to `p:2`")],
        ),
        (
            pod(PROXY),
            pod(PROXY.replace("name", "tty: true, name")),
            [(1, "patch", "output changes for Applications that change nothing; the pods restart")],
        ),
        (
            pod(),
            pod().replace("Deployment", "StatefulSet"),
            [(1, "major", "output is StatefulSet and was Deployment")],
        ),
        (
            pod() + '\noutputs: service: kind: "Service"',
            pod(),
            [(10, "major", "outputs.service is rendered no longer")],
        ),
        (
            pod(),
            pod() + '\noutputs: service: kind: "Service"',
            [(10, "minor", "outputs.service is rendered as well")],
        ),
    ],
)
def test_a_change_of_what_runs_needs_this_step(old: str, new: str, expected: list[Row]) -> None:
    found = reasons(old, new)
    strongest = [row for row in found if row[1] == found[0][1]]
    assert [(line, s) for line, s, _ in strongest] == [(line, s) for line, s, _ in expected]
    assert strongest[0][2].startswith(expected[0][2])


def test_a_container_that_only_rendering_shows_is_found() -> None:
    """The list is made by what the syntax alone does not tell: a name put together."""
    old = 'output: spec: containers: [for x in ["a"] {name: x}]\nparameter: {}'
    new = 'output: spec: containers: [for x in ["a", "b"] {name: x}]\nparameter: {}'
    assert semver.compare(template(old), template(new)).step is Step.MAJOR


def test_what_only_a_new_requirement_changes_is_no_reason_of_its_own() -> None:
    old = 'output: image: "a:1"\nparameter: {}'
    new = "output: image: parameter.image\nparameter: image: string"
    assert [(s, m) for _, s, m in reasons(old, new)] == [
        ("major", "the required parameter image was added: every Application has to give it")
    ]


def test_what_cannot_be_rendered_is_said_and_compared_by_text() -> None:
    old = 'import "vela/op"\n' + 'it: type: "component"\ntemplate: {x: op.#Y, parameter: {}}\n'
    read = [
        definitionfile.parse(text, "it.cue").templates[0]
        for text in (old, old.replace("parameter: {}", "parameter: a?: int"))
    ]
    change = semver.compare(*read)
    assert change.step is Step.MINOR
    assert change.notes[0].startswith("compared by text only")


def test_nothing_changed_needs_nothing() -> None:
    assert semver.compare(template(pod()), template(pod())).step is Step.NONE


TYPES = ("string", "int", "number", '"x"', "1", "true", "bool", ">=1", "int & >=1", "_", "null")


def types(text: str) -> tuple[n.Expression, ...]:
    (field,) = n.fields(cuesyntax.parse(f"x: {text}\n").body)
    return tuple(n.operands(field.value, "|"))


@given(st.lists(st.sampled_from(TYPES), min_size=1), st.lists(st.sampled_from(TYPES), min_size=1))
def test_more_alternatives_allow_what_fewer_do(some: list[str], more: list[str]) -> None:
    assert allows(types(" | ".join(some + more)), types(" | ".join(some)))


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("string", '"x"'),
        ("number", "int"),
        ("int", "1"),
        (">=1", "2"),
        ("bool", "true"),
        ("_", "1"),
    ],
)
def test_a_type_allows_its_values_and_not_the_other_way_round(wide: str, narrow: str) -> None:
    assert allows(types(wide), types(narrow))
    assert not allows(types(narrow), types(wide))


def test_steps_and_versions_agree() -> None:
    one = Version(1, 2, 3)
    assert [str(one.raised(s)) for s in Step] == ["1.2.3", "1.2.4", "1.3.0", "2.0.0"]
    assert [step.between(one, one.raised(s)) for s in Step] == list(Step)
    later = [Version(1, 2, 3), Version(1, 2, 10), Version(1, 10, 0), Version(2, 0, 0)]
    for before, after in itertools.pairwise(later):
        assert step.between(after, before) is Step.NONE
