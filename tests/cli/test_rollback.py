"""Which record a rollback leads to, and when there is none."""

from __future__ import annotations

import pytest

from tandem_cli import rollback
from tandem_cli.session import Refusal
from tandem_controller.api.record import ReleaseRecord
from tests.cli.releases import record, record_name, rollout, snapshot

V1 = record("v1", "Baseline")
V2 = record("v2", "Completed", hour=1)
V3_OPEN = record("v3", None, hour=2)


def target(*known: ReleaseRecord, to: str | None = None) -> str:
    """Return the name of the record that a rollback leads to."""
    here = snapshot("v2", *known, rollout=rollout())
    return rollback.target(here, to).metadata.name


def test_in_mid_release_it_is_the_stable_record() -> None:
    assert target(V1, V2, V3_OPEN) == record_name("v2")


def test_in_mid_release_the_stable_record_may_be_named() -> None:
    assert target(V1, V2, V3_OPEN, to=record_name("v2")) == record_name("v2")


def test_in_mid_release_another_record_is_refused() -> None:
    with pytest.raises(Refusal, match="can only return to"):
        target(V1, V2, V3_OPEN, to=record_name("v1"))


def test_at_rest_it_is_the_stable_record_before_the_present_one() -> None:
    assert target(V1, V2) == record_name("v1")


def test_at_rest_a_version_that_was_never_stable_is_passed_over() -> None:
    assert target(V1, record("v3", "RolledBack", hour=1), V2) == record_name("v1")


def test_at_rest_any_record_may_be_named() -> None:
    bad = record("v3", "RolledBack", hour=1)
    assert target(V1, bad, V2, to=record_name("v3")) == record_name("v3")


def test_the_version_that_runs_is_refused() -> None:
    with pytest.raises(Refusal, match="is the version that runs"):
        target(V1, V2, to=record_name("v2"))


def test_an_unknown_record_is_refused() -> None:
    with pytest.raises(Refusal, match="no ReleaseRecord 'nope'; see: tandem get shop"):
        target(V1, V2, to="nope")


def test_without_an_earlier_version_it_is_refused() -> None:
    with pytest.raises(Refusal, match="no version before the one that runs"):
        target(V2)


def test_before_the_baseline_it_is_refused() -> None:
    with pytest.raises(Refusal, match="has recorded nothing to return to yet"):
        target()
