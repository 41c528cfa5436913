"""Which platform change is meant: the one of a component definition's version, or of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tandem_controller.api.record import ReleaseRecord


class BadTargetError(ValueError):
    """The words of the command name no platform change; the message says what to write."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A platform version of a component definition.

    `version` is the definition's own number, which Tandem's definitions put on their workloads.
    `images` are pairs of container and image, for definitions that carry no number.
    """

    component: str
    version: str = ""
    images: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return it as a user writes it."""
        named = f"{self.component}@{self.version}" if self.version else self.component
        return " ".join((named, *(f"--image {name}={image}" for name, image in self.images)))

    @property
    def definite(self) -> bool:
        """Whether one change is meant, and not everything that is held."""
        return bool(self.version or self.images)

    def meets(self, record: ReleaseRecord) -> bool:
        """Whether a record's platform part is of this version.

        Only for the record of a platform change or of what came out of one: a business change
        that was released while the platform part was held names the definition's version too.
        """
        if self.version and record.spec.component_version != self.version:
            return False
        have = {(i.name, i.image) for i in record.spec.images}
        return have.issuperset(self.images)


def parse(component: str, images: Iterable[str] = ()) -> Target:
    """Return what `COMPONENT[@VERSION]` and `CONTAINER=IMAGE` name.

    Raises:
        BadTargetError: for a text that is neither.
    """
    name, at, version = component.partition("@")
    if not name or (at and not version):
        raise BadTargetError(
            f"{component!r} is no component definition: write NAME or NAME@VERSION"
        )
    return Target(component=name, version=version, images=tuple(_image(text) for text in images))


def _image(text: str) -> tuple[str, str]:
    container, equals, image = text.partition("=")
    if not (container and equals and image):
        raise BadTargetError(f"--image {text!r}: write CONTAINER=IMAGE, for instance init=r/init:2")
    return container, image
