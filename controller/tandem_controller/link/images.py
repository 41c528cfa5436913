"""The images of a pod template by part, as labels of metrics.

Labels are bounded, because each combination is a series in somebody's Prometheus: images are
joined in a stable order and cut at a length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tandem_controller.api.fingerprint import digest
from tandem_controller.api.policy import Containers
from tandem_controller.decide.classify import is_platform

LABEL_LENGTH = 200
"""Longest text of joined images, in characters."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images of the two parts of a template, each joined by commas, in order of container names.

    `platform_repository` is the platform's without tags and digests, so that two versions of
    one platform can be told from two platforms.
    """

    platform: str
    platform_repository: str
    business: str


def images(template: Mapping[str, Any], containers: Containers) -> Images:
    """Return the images of a template by part."""
    platform = _of_part(template, containers, platform=True)
    return Images(
        platform=joined(platform),
        platform_repository=joined(repository(image) for image in platform),
        business=joined(_of_part(template, containers, platform=False)),
    )


def joined(texts: Iterable[str]) -> str:
    """Return texts as one label; a cut one ends in a digest, so that no two become equal."""
    whole = ",".join(texts)
    if len(whole) <= LABEL_LENGTH:
        return whole
    mark = f"~{digest(whole)[:8]}"
    return whole[: LABEL_LENGTH - len(mark)] + mark


def repository(image: str) -> str:
    """Return an image without tag and digest; the colon of a registry's port is no tag."""
    folder, slash, name = image.partition("@")[0].rpartition("/")
    return f"{folder}{slash}{name.partition(':')[0]}"


def _of_part(template: Mapping[str, Any], containers: Containers, *, platform: bool) -> list[str]:
    spec = template.get("spec") or {}
    named = [
        (str(container.get("name", "")), str(container.get("image", "")))
        for field in ("initContainers", "containers")
        for container in spec.get(field) or ()
        if is_platform(container, containers, init=field == "initContainers") is platform
    ]
    return [image for _, image in sorted(named)]
