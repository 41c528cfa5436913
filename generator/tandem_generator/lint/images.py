"""Images that a definition holds: in its template, or as a parameter's default."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.lint import values as v
from tandem_generator.lint.finding import Kind, Severity
from tandem_generator.lint.scope import Bound, members
from tandem_generator.lint.walk import Visit

_IMAGE = re.compile(r"^_?#?(image|[A-Za-z]\w*Image)$")


class ImagePlace(msgspec.Struct, frozen=True):
    """A part of an image that a definition holds.

    `text` is the literal that holds it, `tag_from` where its tag begins in that literal (0: it
    is all tag; None: the literal is the whole image). `parameter` is the path of the default.
    """

    visit: Visit
    kind: Kind
    severity: Severity
    text: n.Text
    image: str
    tag_from: int | None = None
    parameter: tuple[str, ...] | None = None


def is_image(name: str) -> bool:
    """Whether a field of this name holds an image: `image`, `initImage`, `_sidecarImage`."""
    return bool(_IMAGE.match(name))


def places(visits: list[Visit]) -> list[ImagePlace]:
    """Return the images of a template, one place for each literal."""
    found: dict[int, ImagePlace] = {}
    for visit in visits:
        for place in _of_field(visit) if is_image(visit.field.name) else ():
            known = found.get(place.text.start)
            if known is None or (place.severity, known.severity) == _WORSE:
                found[place.text.start] = place
    return sorted(found.values(), key=lambda p: p.text.start)


_WORSE = (Severity.ERROR, Severity.WARNING)


def _of_field(visit: Visit) -> Iterator[ImagePlace]:
    bound = visit.bound
    if visit.schema:
        bound = msgspec.structs.replace(bound, parameter=_parameter(visit.path))
    if isinstance(visit.field.value, n.Struct):
        yield from _of_parts(visit, bound)
        return
    alternatives = v.values(bound)
    optional = any(isinstance(a, v.Given) for a in alternatives)
    for value in alternatives:
        if isinstance(value, v.Held):
            yield from _of_text(visit, value, optional=optional)
        elif isinstance(value, v.Composed):
            yield from _of_composed(visit, value)


def _parameter(path: str) -> tuple[str, ...]:
    """Return the path of a schema's field; that of a `#Schema` keeps its name."""
    return tuple(path.removeprefix("parameter.").split("."))


def _of_parts(visit: Visit, bound: Bound) -> Iterator[ImagePlace]:
    """`image: {registry, repository, tag}`, as Helm charts have it."""
    named = {
        name: tuple(a for m in members(bound, name) for a in v.values(m))
        for name in ("registry", "repository", "tag", "digest")
    }
    if not named["repository"] and not named["tag"]:
        return
    tag = named["tag"] or named["digest"] or (v.Given(),)
    colon = v.Held(n.Text(-1, -1, ":"))
    yield from _of_composed(visit, v.Composed((named["repository"], (colon,), tag)))


def _of_text(visit: Visit, held: v.Held, *, optional: bool) -> Iterator[ImagePlace]:
    """An image as one literal. An address is no image, and neither are words."""
    text = held.node.value
    if "://" in text or " " in text or not v.says_something(text):
        return
    is_default = held.parameter is not None or visit.schema or (held.default or optional)
    is_default = is_default or any(_asks_for_absence(g) for g in visit.guards)
    kind = Kind.IMAGE_DEFAULT if is_default else Kind.IMAGE_FIXED
    yield ImagePlace(visit, kind, Severity.ERROR, held.node, text, parameter=held.parameter)


def _asks_for_absence(guard: n.Expression) -> bool:
    """`if parameter.image == _|_`: what stands under it is a default."""
    return (
        isinstance(guard, n.Binary)
        and guard.operator == "=="
        and isinstance(guard.right, n.Scalar)
        and guard.right.text == "_|_"
    )


def _of_composed(visit: Visit, composed: v.Composed) -> Iterator[ImagePlace]:
    text, pieces = v.pieces(composed)
    if "://" in text:
        return
    image = text.replace(v.GIVEN, "…")
    for piece in pieces:
        if piece.held.node.start >= 0 and v.says_something(piece.held.node.value):
            yield _of_piece(visit, piece, text, image)


def _of_piece(visit: Visit, piece: v.Piece, text: str, image: str) -> ImagePlace:
    """The tag decides which version runs: where the definition holds it, that is an error."""
    held, tag = piece.held, v.tag_from(text)
    place = ImagePlace(
        visit, Kind.IMAGE_PART, Severity.WARNING, held.node, image, parameter=held.parameter
    )
    end = piece.at + len(held.node.value)
    open_tag = v.GIVEN in text[tag:] if tag is not None else text.endswith(v.GIVEN)
    if open_tag or (tag is not None and end <= tag):
        return place
    kind = Kind.IMAGE_FIXED if held.parameter is None else Kind.IMAGE_DEFAULT
    tag_from = None if tag is None else max(0, tag - piece.at)
    return msgspec.structs.replace(place, kind=kind, severity=Severity.ERROR, tag_from=tag_from)
