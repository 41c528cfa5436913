"""YAML files whose errors name file and line.

ruamel.yaml keeps the line of every key; msgspec checks the shape and names the faulty
place as a path (`$.platform[0].image`). This module joins the two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

T = TypeVar("T")
Json: TypeAlias = Any
"""What a YAML or JSON document holds."""
YamlPath = Sequence[str | int]

_PATH_PART = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]")
_VALIDATION = re.compile(r"^(?P<text>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?$", re.DOTALL)


class SourceError(Exception):
    """One fault in one file; its text is `file:line: sentence`."""

    def __init__(self, file: str | Path, line: int, message: str) -> None:
        self.file, self.line, self.message = str(file), line, message
        super().__init__(f"{file}:{line}: {message}")


class Document:
    """One YAML document with the place it came from."""

    def __init__(self, file: str, node: Json) -> None:
        self.file = file
        self.node = node

    def line(self, path: YamlPath) -> int:
        """Return the line of a path, or of its nearest ancestor that exists."""
        line, node = _first_line(self.node), self.node
        for part in path:
            found = _line_of(node, part)
            if found is None:
                break
            line, node = found, node[part]
        return line

    def error(self, path: YamlPath, message: str) -> SourceError:
        """Return an error that points at a path of this document."""
        return SourceError(self.file, self.line(path), message)

    def convert(self, shape: type[T]) -> T:
        """Return the document as a struct, or raise an error with its line."""
        try:
            return msgspec.convert(plain(self.node), shape)
        except msgspec.ValidationError as e:
            raise self._located(str(e)) from None

    def _value(self, path: YamlPath) -> Json:
        value = plain(self.node)
        for part in path:
            value = value[part]
        return value

    def _located(self, text: str) -> SourceError:
        found = _VALIDATION.match(text)
        message, where = (found["text"], found["path"] or "") if found else (text, "")
        path = [name or int(index) for name, index in _PATH_PART.findall(where)]
        if "matching regex" in message:
            message = (
                f"`{self._value(path)}` is not allowed here ({message[0].lower()}{message[1:]})"
            )
        return self.error([*path, *_unknown_field(message)], _sentence(message, path))


def load(file: Path) -> list[Document]:
    """Read the documents of a YAML file."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as e:
        raise SourceError(file, 1, f"cannot be read: {e.strerror}") from None
    return parse(text, str(file))


def parse(text: str, file: str) -> list[Document]:
    """Parse YAML text; `file` is only for messages."""
    try:
        nodes = list(YAML(typ="rt").load_all(text))
    except MarkedYAMLError as e:
        mark = e.problem_mark
        line = mark.line + 1 if mark else 1
        raise SourceError(file, line, f"not YAML: {e.problem or 'syntax error'}") from None
    return [Document(file, node) for node in nodes if node is not None]


def load_one(file: Path) -> Document:
    """Read a YAML file of exactly one document."""
    documents = load(file)
    if len(documents) != 1:
        raise SourceError(file, 1, f"holds {len(documents)} YAML documents, expected one")
    return documents[0]


def plain(node: Json) -> Json:
    """Return ruamel's nodes as plain dictionaries, lists and scalars."""
    if isinstance(node, dict):
        return {str(k): plain(v) for k, v in node.items()}
    if isinstance(node, list):
        return [plain(v) for v in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _first_line(node: Json) -> int:
    return int(node.lc.line) + 1 if isinstance(node, CommentedMap | CommentedSeq) else 1


def _line_of(node: Json, part: str | int) -> int | None:
    if isinstance(node, CommentedMap) and part in node:
        return int(node.lc.key(part)[0]) + 1
    if isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
        return int(node.lc.item(part)[0]) + 1
    return None


def _unknown_field(message: str) -> list[str]:
    found = re.search(r"unknown field `(.+?)`", message)
    return [found[1]] if found else []


def _sentence(message: str, path: YamlPath) -> str:
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
    return f"{where}: {message}" if where else message
