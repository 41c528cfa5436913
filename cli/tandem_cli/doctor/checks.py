"""All checks: the one visible table."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tandem_cli.doctor import installation, kubevela, releases
from tandem_cli.doctor.finding import Cluster, Finding

Check = Callable[[Cluster], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    installation.other_controller,
    installation.controller,
    installation.version_skew,
    installation.definitions,
    installation.conversion,
    installation.terminating,
    installation.webhooks,
    installation.policies,
    installation.mutating_policies,
    installation.certificate,
    releases.left_paused,
    releases.stray_rejection,
    releases.stray_unfinished,
    releases.rivals,
    releases.withheld_long,
    releases.batch_finalizers,
    kubevela.trait_clash,
    kubevela.no_publish_version,
    kubevela.same_fields,
    kubevela.revision_limits,
)
"""In the order in which they are printed: what stops everything comes first."""


def examine(cluster: Cluster) -> list[Finding]:
    """Return what all checks find. Pure."""
    return [finding for check in CHECKS for finding in check(cluster)]
