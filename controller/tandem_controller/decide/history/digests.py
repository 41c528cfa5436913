"""Image digests: what the pods of a version really ran, and whether a tag has moved since.

A tag is a name that somebody may point elsewhere. Only a pod says what it stood for: its
`status.containerStatuses[].imageID`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tandem_controller.api.evidence import ImageDigests
from tandem_controller.api.record import ContainerImage, ReleaseRecord
from tandem_controller.api.workload import Pod
from tandem_controller.snapshot import WorkloadSnapshot
from tandem_controller.workloads.deployment import by_fingerprint

_SCHEMES = ("docker-pullable://", "docker://")
"""What the removed Docker runtime put before an imageID."""


def of_version(
    workload: WorkloadSnapshot, fingerprint: str, images: tuple[ContainerImage, ...]
) -> tuple[ImageDigests, ...]:
    """Return what the pods of a template ran, container by container."""
    pods = tuple(_pods(workload, fingerprint))
    return tuple(
        ImageDigests(name=image.name, image=image.image, init=image.init, digests=_ran(pods, image))
        for image in images
    )


def moved(record: ReleaseRecord, workload: WorkloadSnapshot) -> tuple[str, ...]:
    """Say which pods of the recorded version run another digest than it ran when recorded."""
    attempt = record.stable_attempt
    if attempt is None or attempt.evidence is None:
        return ()
    pods = tuple(_pods(workload, record.spec.fingerprint))
    return tuple(
        _sentence(known, strangers)
        for known in attempt.evidence.images
        if known.digests and (strangers := _strangers(known, _ran(pods, _asked(known))))
    )


def _sentence(known: ImageDigests, strangers: tuple[str, ...]) -> str:
    return (
        f"container {known.name!r}: image {known.image} ran as {', '.join(known.digests)} and is "
        f"{', '.join(strangers)} now; its tag has moved. State the image by its digest to get "
        "the old one back"
    )


def _strangers(known: ImageDigests, now: tuple[str, ...]) -> tuple[str, ...]:
    """Return the digests that were not there; the repository may be spelt in two ways."""
    have = {_bare(digest) for digest in known.digests}
    return tuple(digest for digest in now if _bare(digest) not in have)


def _bare(digest: str) -> str:
    return digest.rpartition("@")[2]


def _asked(known: ImageDigests) -> ContainerImage:
    return ContainerImage(name=known.name, image=known.image, init=known.init)


def _ran(pods: tuple[Pod, ...], image: ContainerImage) -> tuple[str, ...]:
    found = {
        _plain(status.image_id)
        for pod in pods
        for status in (
            pod.status.init_container_statuses if image.init else pod.status.container_statuses
        )
        if status.name == image.name and status.image_id
    }
    return tuple(sorted(found))


def _plain(image_id: str) -> str:
    for scheme in _SCHEMES:
        image_id = image_id.removeprefix(scheme)
    return image_id


def _pods(workload: WorkloadSnapshot, fingerprint: str) -> Iterator[Pod]:
    for replica_set in by_fingerprint(workload, fingerprint):
        yield from (p for p in workload.pods_of(replica_set) if not p.metadata.deleting)


def images(template: dict[str, Any]) -> tuple[ContainerImage, ...]:
    """Return name and image of each container of a template, init containers first."""
    spec = template.get("spec") or {}
    return tuple(
        ContainerImage(name=container["name"], image=container.get("image", ""), init=init)
        for init, field in ((True, "initContainers"), (False, "containers"))
        for container in spec.get(field) or ()
    )
