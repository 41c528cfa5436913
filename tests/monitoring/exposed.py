"""What the controller exposes, and what expressions ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from prometheus_client.metrics import MetricWrapperBase

from tandem_controller.link.gauges import GAUGES
from tandem_controller.link.metrics import ReleaseMetrics
from tandem_controller.telemetry import Metrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "monitoring" / "rules.yaml"
SCRAPE_LABELS = {"instance", "job", "pod"}
"""Labels that a scrape adds."""


def series() -> dict[str, set[str]]:
    """Return every series that a controller can expose, with its labels."""
    metrics = Metrics()
    for holder in (metrics, metrics.releases):
        for each in vars(holder).values():
            if isinstance(each, MetricWrapperBase) and each._labelnames:
                each.labels(*each._labelnames)
    samples = [s for family in metrics.registry.collect() for s in family.samples]
    gauges = {g.name: {*ReleaseMetrics.COMMON, *g.labels} for g in GAUGES}
    return {**{s.name: set(s.labels) for s in samples}, **gauges}


def alerts() -> list[dict[str, Any]]:
    """Return the alert rules."""
    return [
        rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    ]


def dashboard() -> dict[str, Any]:
    """Return the Grafana dashboard."""
    found: dict[str, Any] = json.loads((ROOT / "monitoring" / "dashboard.json").read_text())
    return found


def expressions() -> dict[str, str]:
    """Return the expressions of rules and dashboard by where they stand, as PromQL."""
    found = {rule["alert"]: rule["expr"] for rule in alerts()}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            # Grafana's own function around a selector: label_values(SELECTOR, LABEL).
            asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
            assert asked is not None
            found[f"variable {variable['name']}"] = f"count by ({asked[2]}) ({asked[1]})"
    return {where: text.replace("$__rate_interval", "5m") for where, text in found.items()}


def nodes(expression: str) -> Iterator[promql_parser.Expr]:
    """Yield every node of an expression's tree; raises where it is no PromQL."""
    found: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    yield from found


def selected(expression: str) -> set[str]:
    """Return the names of the series that an expression selects."""
    return {str(n.name) for n in nodes(expression) if isinstance(n, promql_parser.VectorSelector)}


def labels(expression: str) -> set[str]:
    """Return the labels by which an expression selects, groups and matches."""
    found: set[str] = set()
    for node in nodes(expression):
        if isinstance(node, promql_parser.VectorSelector):
            found |= {matcher.name for matcher in node.matchers.matchers}
        modifier = getattr(node, "modifier", None)
        for part in (modifier, getattr(modifier, "matching", None)):
            found |= set(getattr(part, "labels", None) or ())
    return found
