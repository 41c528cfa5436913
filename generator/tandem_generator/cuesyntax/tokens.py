"""CUE text to tokens (the rules: https://cuelang.org/docs/reference/spec/#lexical-elements)."""

from __future__ import annotations

import re

import msgspec


class CueSyntaxError(Exception):
    """The text is no CUE that we can read; `offset` says where."""

    def __init__(self, message: str, offset: int) -> None:
        self.message, self.offset = message, offset
        super().__init__(message)


class Token(msgspec.Struct, frozen=True):
    """One token. `kind` is name, number, string, bytes, attribute, or the operator itself.

    A string with interpolations has `parts`: literal texts and, for each expression, its tokens.
    """

    kind: str
    text: str
    start: int
    end: int
    parts: tuple[LiteralPart | tuple[Token, ...], ...] = ()


class LiteralPart(msgspec.Struct, frozen=True):
    """The literal text between two interpolations."""

    value: str
    start: int
    end: int


_SPACE = re.compile(r"[ \t\r]+|//[^\n]*")
_NUMBER = re.compile(
    r"0[xX][\da-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+"
    r"|(?:\d[\d_]*(?:\.\d[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?(?:[KMGTP]i?)?"
)
_NAME = re.compile(r"(?:_?#)?(?:[^\W\d]|\$)[\w$]*")
_QUOTE = re.compile(r"(#*)(\"\"\"|'''|\"|')")
_OPERATOR = re.compile(r"_\|_|\.\.\.|==|!=|<=|>=|=~|!~|&&|\|\||[-+*/&|=<>!?.,:;()\[\]{}~]")
_KEYWORDS_BEFORE_MORE = {"for", "in", "if", "let", "import", "package"}
_ENDS_A_LINE = {"name", "number", "string", "bytes", "attribute", "_|_", "...", ")", "]", "}", "?"}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def tokenize(text: str) -> tuple[Token, ...]:
    """Return the tokens of a text, with the commas that line ends stand for."""
    scanner = _Scanner(text)
    tokens = scanner.tokens(until="")
    return (*tokens, Token("end", "", len(text), len(text)))


class _Scanner:
    """A place in a text. Interpolations are scanned by the same scanner, up to their `)`."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def tokens(self, until: str) -> tuple[Token, ...]:
        """Return the tokens up to the text's end or to a closing bracket that none opened."""
        found: list[Token] = []
        depth = 0
        while (token := self._next(found)) is not None:
            if depth == 0 and token.kind == until:
                return tuple(found)
            depth += {"(": 1, ")": -1}.get(token.kind, 0)
            found.append(token)
        if until:
            raise CueSyntaxError(f"`{until}` is missing", self.at)
        return tuple(found)

    def _next(self, before: list[Token]) -> Token | None:
        while True:
            while space := _SPACE.match(self.text, self.at):
                self.at = space.end()
            at_end = self.at >= len(self.text)
            if not at_end and self.text[self.at] != "\n":
                return self._token()
            start = self.at
            self.at += not at_end
            if before and _ends_a_line(before[-1]):
                return Token(",", "\n", start, start)
            if at_end:
                return None

    def _token(self) -> Token:
        if quote := _QUOTE.match(self.text, self.at):
            return self._string(quote[1], quote[2])
        if self.text[self.at] == "@":
            return self._attribute()
        for kind, pattern in (("", _OPERATOR), ("name", _NAME), ("number", _NUMBER)):
            found = pattern.match(self.text, self.at)
            if found and found[0] and not (kind == "" and self._starts_number()):
                return self._take(kind or found[0], found.end())
        raise CueSyntaxError(f"unexpected `{self.text[self.at]}`", self.at)

    def _starts_number(self) -> bool:
        return bool(re.match(r"\.\d", self.text[self.at : self.at + 2]))

    def _take(self, kind: str, end: int) -> Token:
        start, self.at = self.at, end
        return Token(kind, self.text[start:end], start, end)

    def _attribute(self) -> Token:
        start = self.at
        opening = re.compile(r"@[\w.]+\(").match(self.text, start)
        if opening is None:
            raise CueSyntaxError("an attribute needs a body: @name(...)", start)
        self.at = opening.end()
        self.tokens(until=")")
        return Token("attribute", self.text[start : self.at], start, self.at)

    def _string(self, fence: str, quote: str) -> Token:
        start = self.at
        self.at += len(fence) + len(quote)
        parts: list[LiteralPart | tuple[Token, ...]] = []
        literal_from = self.at
        closing, escape = quote + fence, "\\" + fence
        while not self.text.startswith(closing, self.at):
            if self.at >= len(self.text) or (len(quote) == 1 and self.text[self.at] == "\n"):
                raise CueSyntaxError(f"a string that began with {fence}{quote} never ends", start)
            if self.text.startswith(escape + "(", self.at):
                parts.append(self._literal(literal_from, escape))
                self.at += len(escape) + 1
                parts.append(self.tokens(until=")"))
                literal_from = self.at
            else:
                self.at += len(escape) + 1 if self.text.startswith(escape, self.at) else 1
        parts.append(self._literal(literal_from, escape))
        self.at += len(closing)
        kind, whole = ("string" if '"' in quote else "bytes"), self.text[start : self.at]
        if len(parts) > 1:
            return Token(kind, whole, start, self.at, tuple(parts))
        raw = whole[len(fence) + len(quote) : -len(closing)]
        value = unescape(_dedented(raw) if len(quote) > 1 else raw, escape)
        return Token(kind, value, start, self.at)

    def _literal(self, start: int, escape: str) -> LiteralPart:
        value = unescape(self.text[start : self.at], escape)
        return LiteralPart(value, start, self.at)


def _dedented(raw: str) -> str:
    """In a text of several lines, what stands before the closing quotes is the indent of all."""
    lines = raw.split("\n")
    return "\n".join(line.removeprefix(lines[-1]) for line in lines[1:-1])


def unescape(raw: str, escape: str) -> str:
    """Return a literal's text; `escape` is the backslash with the fence of a raw string."""
    pattern = re.escape(escape) + r"(u[\da-fA-F]{4}|U[\da-fA-F]{8}|.)"
    return re.sub(pattern, lambda m: _character(m[1]), raw, flags=re.DOTALL)


def _character(code: str) -> str:
    if code[0] in "uU" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, code)


def _ends_a_line(token: Token) -> bool:
    if token.kind == "name":
        return token.text not in _KEYWORDS_BEFORE_MORE
    return token.kind in _ENDS_A_LINE
