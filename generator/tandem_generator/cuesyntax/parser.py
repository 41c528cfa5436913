"""CUE tokens to the syntax tree, by recursive descent."""

from __future__ import annotations

import msgspec

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.cuesyntax.tokens import CueSyntaxError, LiteralPart, Token, tokenize

_BINDING = (
    ("|",),
    ("&",),
    ("||",),
    ("&&",),
    ("==", "!=", "<", "<=", ">", ">=", "=~", "!~"),
    ("+", "-"),
    ("*", "/", "div", "mod", "quo", "rem"),
)
"""Binary operators from the weakest to the strongest."""
_UNARY = {"+", "-", "!", "*", "<", "<=", ">", ">=", "!=", "=~", "!~"}
_SCALAR_NAMES = {"true", "false", "null"}
_CLAUSES = {"for", "if", "let"}


def parse(text: str) -> n.File:
    """Parse a file or the template of a definition; raise CueSyntaxError."""
    return _Parser(tokenize(text)).file()


class _Parser:
    """A place among tokens."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens, self._at = tokens, 0

    def file(self) -> n.File:
        """Parse `package`, imports and declarations."""
        self._header()
        imports = self._imports()
        start = self._now.start
        elements = self._elements("end")
        return n.File(0, self._now.end, imports, n.Struct(start, self._now.end, elements))

    def whole_expression(self) -> n.Expression:
        """Parse what stands between the brackets of an interpolation."""
        value = self._expression()
        self._accept(",")
        self._expect("end")
        return value

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _peek(self, ahead: int = 1) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _is(self, kind: str) -> bool:
        return self._now.kind == kind

    def _is_word(self, *words: str) -> bool:
        return self._now.kind == "name" and self._now.text in words

    def _take(self) -> Token:
        token = self._now
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _accept(self, kind: str) -> bool:
        found = self._is(kind)
        if found:
            self._take()
        return found

    def _expect(self, kind: str) -> Token:
        if not self._is(kind):
            raise self._unexpected("the end" if kind == "end" else f"`{kind}`")
        return self._take()

    def _unexpected(self, wanted: str) -> CueSyntaxError:
        found = "the end" if self._is("end") else f"`{self._now.text.strip() or 'line end'}`"
        return CueSyntaxError(f"expected {wanted}, found {found}", self._now.start)

    def _end(self) -> int:
        return self._tokens[self._at - 1].end

    def _header(self) -> None:
        while self._is("attribute") or self._is(","):
            self._take()
        if self._is_word("package") and self._peek().kind == "name":
            self._take()
            self._take()
            self._accept(",")

    def _imports(self) -> tuple[n.Import, ...]:
        found: list[n.Import] = []
        while self._is_word("import") and self._peek().kind in {"(", "string", "name"}:
            self._take()
            if self._accept("("):
                while not self._accept(")"):
                    found.append(self._import())
                    self._accept(",")
            else:
                found.append(self._import())
            self._accept(",")
        return tuple(found)

    def _import(self) -> n.Import:
        start = self._now.start
        given = self._take().text if self._is("name") else ""
        path = self._expect("string").text
        last = path.rpartition("/")[2]
        name = given or last.rpartition(":")[2]
        return n.Import(start, self._end(), name, path)

    def _elements(self, closing: str) -> tuple[n.Declaration, ...]:
        found: list[n.Declaration] = []
        while not self._is(closing):
            if self._is("end"):
                raise self._unexpected(f"`{closing}`")
            if self._accept(",") or self._accept("attribute"):
                continue
            found.append(self._declaration())
            if not self._is(closing) and not self._is("attribute"):
                self._expect(",")
        return tuple(found)

    def _declaration(self) -> n.Declaration:
        start = self._now.start
        if self._accept("..."):
            value = None if self._now.kind in {",", "]", "}", "end"} else self._expression()
            return n.Rest(start, self._end(), value)
        if self._is_clause():
            return self._let_or_comprehension()
        return self._field_or_embedding()

    def _is_clause(self) -> bool:
        """`for`, `if` and `let` may be labels and names too: `if: 1`, `for?: string`."""
        after = self._peek(2 if self._peek().kind in {"?", "!"} else 1).kind
        return self._is_word(*_CLAUSES) and after not in {":", "=", ".", ",", "end"}

    def _let_or_comprehension(self) -> n.Declaration:
        start, clauses = self._now.start, [self._clause()]
        while self._is_clause() or (self._is(",") and self._peek().text in _CLAUSES):
            if isinstance(clauses[-1], n.Let) and len(clauses) == 1 and self._is(","):
                break
            self._accept(",")
            clauses.append(self._clause())
        if isinstance(clauses[0], n.Let) and len(clauses) == 1:
            return clauses[0]
        body = self._struct()
        return n.Comprehension(start, self._end(), tuple(clauses), body)

    def _clause(self) -> n.For | n.If | n.Let:
        start, word = self._now.start, self._take().text
        if word == "if":
            condition = self._expression()
            return n.If(start, self._end(), condition)
        name = self._expect("name").text
        if word == "let":
            self._expect("=")
            value = self._expression()
            return n.Let(start, self._end(), name, value)
        key, name = (name, self._expect("name").text) if self._accept(",") else ("", name)
        if self._expect("name").text != "in":
            raise CueSyntaxError("expected `in`", self._now.start)
        source = self._expression()
        return n.For(start, self._end(), key, name, source)

    def _field_or_embedding(self) -> n.Field | n.Embedding:
        start = self._now.start
        alias = self._alias()
        computed = self._is("(")
        value = self._expression()
        if self._now.kind not in {":", "?", "!"}:
            return n.Embedding(start, self._end(), value)
        marker = self._take().kind if self._now.kind in {"?", "!"} else ""
        self._expect(":")
        name = "" if computed else _label_name(value)
        return self._field(n.Field(start, start, name, value, marker, value, alias))

    def _field(self, field: n.Field) -> n.Field:
        inner = self._field_or_embedding()
        value: n.Expression = (
            n.Struct(inner.start, inner.end, (inner,))
            if isinstance(inner, n.Field)
            else inner.value
        )
        while self._accept("attribute"):
            pass
        return msgspec.structs.replace(field, end=value.end, value=value)

    def _alias(self) -> str:
        if self._is("name") and self._peek().kind == "=":
            name = self._take().text
            self._take()
            return name
        return ""

    def _expression(self, level: int = 0) -> n.Expression:
        if level == len(_BINDING):
            return self._unary()
        left = self._expression(level + 1)
        while (operator := self._now.text) in _BINDING[level] and self._is_operator():
            self._take()
            right = self._expression(level + 1)
            left = n.Binary(left.start, right.end, operator, left, right)
        return left

    def _is_operator(self) -> bool:
        return self._now.kind not in {"string", "bytes"}

    def _unary(self) -> n.Expression:
        if self._now.kind not in _UNARY:
            return self._postfix()
        operator = self._take()
        operand = self._unary()
        return n.Unary(operator.start, operand.end, operator.kind, operand)

    def _postfix(self) -> n.Expression:
        value = self._primary()
        while True:
            if self._is(".") and self._peek().kind in {"name", "string"}:
                self._take()
                name = self._take().text
                value = n.Selector(value.start, self._end(), value, name)
            elif self._accept("["):
                value = self._index(value)
            elif self._accept("("):
                arguments = self._arguments()
                value = n.Call(value.start, self._end(), value, arguments)
            else:
                return value

    def _index(self, base: n.Expression) -> n.Index:
        low = None if self._is(":") else self._expression()
        if self._accept(":"):
            low = None
            if not self._is("]"):
                self._expression()
        self._accept(",")
        self._expect("]")
        return n.Index(base.start, self._end(), base, low)

    def _arguments(self) -> tuple[n.Expression, ...]:
        found: list[n.Expression] = []
        while not self._accept(")"):
            found.append(self._expression())
            if not self._is(")"):
                self._expect(",")
        return tuple(found)

    def _primary(self) -> n.Expression:
        token = self._now
        if token.kind in {"string", "bytes", "number", "_|_"}:
            return _literal(self._take())
        if token.kind == "name":
            self._take()
            if token.text in _SCALAR_NAMES:
                return n.Scalar(token.start, token.end, token.text)
            return n.Name(token.start, token.end, token.text)
        if self._is("{"):
            return self._struct()
        if self._accept("["):
            elements = self._elements("]")
            self._expect("]")
            return n.Items(token.start, self._end(), elements)
        if not self._accept("("):
            raise self._unexpected("a value")
        value = self._expression()
        self._accept(",")
        self._expect(")")
        return value

    def _struct(self) -> n.Struct:
        start = self._expect("{").start
        elements = self._elements("}")
        self._expect("}")
        return n.Struct(start, self._end(), elements)


def _literal(token: Token) -> n.Expression:
    if token.kind != "string":
        return n.Scalar(token.start, token.end, token.text)
    if not token.parts:
        return n.Text(token.start, token.end, token.text)
    return n.Interpolation(token.start, token.end, tuple(_part(p) for p in token.parts))


def _part(part: LiteralPart | tuple[Token, ...]) -> n.Expression:
    if isinstance(part, LiteralPart):
        return n.Text(part.start, part.end, part.value)
    end = part[-1].end if part else 0
    return _Parser((*part, Token("end", "", end, end))).whole_expression()


def _label_name(label: n.Expression) -> str:
    if isinstance(label, n.Name):
        return label.name
    return label.value if isinstance(label, n.Text) else ""
