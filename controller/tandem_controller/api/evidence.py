"""What a stable version really ran with: image digests, config, autoscaler.

It is read when the version runs everywhere, because a template only names these things.
"""

from __future__ import annotations

from tandem_controller.api.meta import Model, OwnerReference


class ImageDigests(Model, frozen=True):
    """What the pods of one container really ran.

    `digests` has one entry, unless the image's tag moved while pods were created.
    """

    name: str
    image: str
    init: bool = False
    digests: tuple[str, ...] = ()
    """`repository@sha256:...`, or a bare `sha256:...` of an image that no registry served."""


class ConfigEvidence(Model, frozen=True):
    """A ConfigMap or Secret that the pod template refers to. Never its content."""

    kind: str
    name: str
    fingerprint: str = ""
    """SHA-256 of the content; empty where `problem` says why there is none."""
    copy: str = ""
    """Name of the immutable copy that holds the content; only of what the Application renders."""
    labels: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    """Labels and owners to create it again with, where there is a copy."""
    problem: str = ""


class AutoscalerBounds(Model, frozen=True):
    """The HorizontalPodAutoscaler of the workload."""

    name: str
    max_replicas: int
    min_replicas: int = 1


class Evidence(Model, frozen=True):
    """What the stable version ran with, under one revision of its Application."""

    application_revision: str = ""
    images: tuple[ImageDigests, ...] = ()
    config: tuple[ConfigEvidence, ...] = ()
    autoscaler: AutoscalerBounds | None = None
