"""Names for the parameters that carry images: after the container, or what holds the text."""

from __future__ import annotations

import re

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.lint import containers as lc
from tandem_generator.lint import images as li
from tandem_generator.lint.walk import Visit

_ENDINGS = ("Image", "Tag", "Version")


def of(place: li.ImagePlace, holder: Visit | None, visits: list[Visit]) -> str:
    """Return a name such as `initImage`, `proxyTag`, or `image` for the main container."""
    ending = "Image" if place.tag_from is None else "Tag"
    name = _held_by(holder) or _container(place, visits) or _output(place.visit.path)
    word = _camel(name)
    if not word:
        return ending.lower()
    return word if word.endswith(_ENDINGS) else word + ending


def _held_by(holder: Visit | None) -> str:
    """A field with a name of its own says what it holds: `_toolImage: "tool:1"`."""
    name = holder.field.name.lstrip("_#") if holder else ""
    return "" if name in {"image", "tag", "repository"} else name


def _container(place: li.ImagePlace, visits: list[Visit]) -> str:
    around = [c for c in lc.containers(visits) if n.holds(c.struct, place.visit.field)]
    if not around or around[-1].main:
        return ""
    return around[-1].name


def _output(path: str) -> str:
    """`outputs.netlify.spec...` is named after the output; `output` needs no name."""
    parts = re.split(r"[.\[\]]+", path)
    return parts[1] if parts[0] in {"outputs", "patchOutputs"} and len(parts) > 1 else ""


def _camel(name: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", name)
    if not words:
        return ""
    first = words[0][0].lower() + words[0][1:]
    joined = first + "".join(w[0].upper() + w[1:] for w in words[1:])
    return joined if joined[0].isalpha() else f"container{joined}"
