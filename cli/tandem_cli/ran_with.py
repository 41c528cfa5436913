"""What recorded versions ran with, for people: image digests and config. Never a content."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType

from tandem_cli import show
from tandem_cli.details import RecordView
from tandem_controller.api.evidence import ConfigEvidence, Evidence

SHORT = 10
"""Digits of a hash that tell two contents apart for a person."""


def images_table(records: Iterable[RecordView]) -> RenderableType:
    """Return one row a container of each version that was stable."""
    table = show.plain_table("RECORD", "CONTAINER", "IMAGE", "RAN")
    for record in records:
        for found in _evidence(record):
            for image in found.images:
                table.add_row(record.name, image.name, image.image, ", ".join(image.digests))
    return table


def config_table(records: Iterable[RecordView]) -> RenderableType:
    """Return one row a ConfigMap or Secret of each version that was stable."""
    table = show.plain_table("RECORD", "CONFIG", "CONTENT", "COPY")
    for record in records:
        for found in _evidence(record):
            for each in found.config:
                table.add_row(record.name, f"{each.kind} {each.name}", _content(each), each.copy)
    return table


def _content(each: ConfigEvidence) -> str:
    return each.problem or each.fingerprint[:SHORT]


def _evidence(record: RecordView) -> list[Evidence]:
    """Return the newest evidence of a record, if there is any."""
    return [a.evidence for a in record.attempts if a.evidence][:1]
