"""What docs/monitoring.md shows exists: metrics, labels, annotations, the addon's parameters."""

from __future__ import annotations

import re
import shlex

import msgspec
import pytest
import yaml

from tandem_controller import keys
from tandem_generator import cue
from tests.monitoring import exposed

TEXT = (exposed.ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    documented = set(re.findall(r"`(tandem_\w+)`", TEXT))
    names = {name for name in exposed.series() if not name.endswith("_created")}
    assert documented == {re.sub("_(bucket|count|sum)$", "", name) for name in names}


def test_the_table_lists_the_labels_of_each_metric() -> None:
    identity = {"namespace", "rollout", "workload", "component", "component_definition"}
    rows = re.findall(r"^\| `(tandem_\w+)` \| (.*?) \|", TEXT, re.MULTILINE)
    known = exposed.series()
    assert len(rows) > 5
    for name, cell in rows:
        told = set(re.findall(r"`(\w+)`", cell.partition(";")[0]))
        assert told - identity == known[name] - identity, name


def test_annotations_and_labels_have_their_real_names() -> None:
    named = set(re.findall(r"`(tandem\.oam\.dev/[\w-]+)`", TEXT))
    assert named == {keys.BREAK_GLASS, keys.ACCEPT, keys.RETRY}


def test_the_addon_takes_the_parameters() -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    vela, addon, enable, folder, *arguments = shlex.split(block)
    assert (vela, addon, enable) == ("vela", "addon", "enable")
    parameters = (exposed.ROOT / folder / "parameter.cue").read_text(encoding="utf-8")
    given = "\n".join(_cue(*argument.split("=")) for argument in arguments)
    made = msgspec.json.decode(cue.export(f"{parameters}\n{given}", "parameter.monitoring"))
    assert made["rules"]
    assert made["serviceMonitor"]
    assert made["dashboard"]
    assert made["labels"] == {"release": "prometheus"}


def _cue(path: str, value: str) -> str:
    """Return an argument of `vela addon enable` as CUE."""
    return f"parameter: {': '.join(path.split('.'))}: {yaml.safe_load(value)!r}".replace(
        "True", "true"
    ).replace("'", '"')


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"`tandem (\w+)`", TEXT))))
def test_a_verb_that_is_named_exists(verb: str) -> None:
    assert (exposed.ROOT / "cli" / "tandem_cli" / f"{verb}.py").is_file()
