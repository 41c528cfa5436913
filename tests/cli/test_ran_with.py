"""`tandem get NAME -o wide`: what recorded versions ran with, and which records are damaged."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tandem_cli import details, view
from tandem_cli.get import Format, print_details
from tandem_controller.api.evidence import ConfigEvidence, Evidence, ImageDigests
from tandem_controller.api.record import ReleaseRecord
from tests.cli.releases import record, record_name, rollout, snapshot

EVIDENCE = Evidence(
    images=(ImageDigests(name="shop", image="r/shop:v1", digests=("r/shop@sha256:1",)),),
    config=(
        ConfigEvidence(kind="Secret", name="password", fingerprint="f" * 64, copy="password-f"),
        ConfigEvidence(kind="ConfigMap", name="gone", problem="it did not exist"),
    ),
)


def printed(known: ReleaseRecord, capsys: pytest.CaptureFixture[str], output: Format) -> list[str]:
    """The lines about one record, white space made even."""
    summary = view.summarise(snapshot("v1", known, rollout=rollout()))
    found = details.Details(
        summary=summary, steps=(), records=(details.record_view(known),), pods=()
    )
    print_details(found, output)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_wide_shows_digests_and_config(capsys: pytest.CaptureFixture[str]) -> None:
    stable = record("v1", "Completed")
    attempt = replace(stable.status.attempts[0], evidence=EVIDENCE)
    stable = replace(stable, status=replace(stable.status, attempts=(attempt,)))
    lines = printed(stable, capsys, Format.WIDE)
    name = record_name("v1")
    assert f"{name} shop r/shop:v1 r/shop@sha256:1" in lines
    assert f"{name} Secret password {'f' * 10} password-f" in lines
    assert f"{name} ConfigMap gone it did not exist" in lines


def test_a_damaged_record_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    stable = record("v1", "Completed")
    forged = replace(stable, spec=replace(stable.spec, fingerprint="forged"))
    lines = printed(forged, capsys, Format.TABLE)
    assert any("damaged spec.fingerprint is forged, but" in line for line in lines)
