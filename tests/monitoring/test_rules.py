"""Rules and dashboard: sound for Prometheus, and about metrics that the controller has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from devcluster import prometheus
from tests.monitoring import exposed

RUNBOOK = exposed.ROOT / "docs" / "monitoring.md"
EXPRESSIONS = exposed.expressions()


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return what it printed; its complaint is the test's."""
    command = [str(prometheus.program("promtool")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules() -> None:
    assert f"{len(exposed.alerts())} rules found" in promtool(
        "check", "rules", "--lint=all", exposed.RULES
    )


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", Path(__file__).with_name("rules_test.yaml"))


def test_every_alert_has_a_test() -> None:
    tests = Path(__file__).with_name("rules_test.yaml").read_text()
    assert [r["alert"] for r in exposed.alerts() if f"alertname: {r['alert']}" not in tests] == []


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_asks_for_what_the_controller_exposes(where: str) -> None:
    known = exposed.series()
    names = exposed.selected(EXPRESSIONS[where])
    assert names - set(known) == set()
    carried = set().union(*(known[name] for name in names)) | exposed.SCRAPE_LABELS
    assert exposed.labels(EXPRESSIONS[where]) - carried == set()


def test_expressions_are_looked_into() -> None:
    expression = 'max without (a) (rate(x{b="1"}[5m])) unless on (c) (y == 1)'
    assert exposed.selected(expression) == {"x", "y"}
    assert exposed.labels(expression) == {"a", "b", "c"}


def test_every_alert_says_what_to_do() -> None:
    headings = re.findall(r"^### (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in exposed.alerts()]
    for rule in exposed.alerts():
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/monitoring.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_a_panel_stands_in_the_grid_and_explains_itself() -> None:
    panels = exposed.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["type"] == "row" or panel["description"]


def test_no_panel_covers_another() -> None:
    squares = [
        (x, y)
        for panel in exposed.dashboard()["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(squares)) == len(squares)


def test_a_table_shows_labels_that_its_metric_has() -> None:
    known = exposed.series()
    for panel in exposed.dashboard()["panels"]:
        if panel["type"] != "table":
            continue
        (name,) = exposed.selected(panel["targets"][0]["expr"])
        shown = set(panel["transformations"][0]["options"]["include"]["names"])
        assert shown - {"Value"} <= known[name], panel["title"]
