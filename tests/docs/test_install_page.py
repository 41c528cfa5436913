"""What docs/install.md shows: commands, files and names that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tandem_controller.api.crd import ROLLOUT_CRD, crds
from tandem_controller.decide.admission.disabling import ADDON, ADDON_NAMESPACE
from tandem_controller.keys import BREAK_GLASS
from tandem_controller.webhooks.configuration import Endpoint, validating_configuration

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
PARAMETERS = (ROOT / "addon" / "tandem" / "parameter.cue").read_text(encoding="utf-8")


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


def _parameters() -> list[str]:
    return re.findall(r"^\t(\w+)\??: ", PARAMETERS, flags=re.MULTILINE)


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_arguments_of_the_addon_are_parameters_of_it(words: list[str]) -> None:
    if words[:3] not in (["vela", "addon", "enable"], ["vela", "addon", "upgrade"]):
        assert words[0] in {"vela", "kubectl"}
        return
    names = [word.partition("=")[0] for word in words[4:] if not word.startswith("-")]
    assert [name for name in names if name not in _parameters()] == []


def test_parameters_that_the_text_names_exist() -> None:
    named = set(re.findall(r"`([a-zA-Z]+)=[^`]*`", PAGE))
    assert named >= {"namespaces", "clusters", "installCRDs"}
    assert [name for name in named if name not in _parameters()] == []


def test_files_that_the_page_names_exist() -> None:
    local = {word for words in _commands() for word in words if word.startswith("./")}
    assert local == {"./addon/tandem"}
    linked = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert [link for link in linked if not (ROOT / "docs" / link).exists()] == []


def test_removing_everything_removes_all_our_kinds() -> None:
    (delete,) = (words for words in _commands() if words[:3] == ["kubectl", "delete", "crd"])
    assert sorted(delete[3:]) == sorted(crds())


def test_the_ways_out_are_those_that_admission_tells() -> None:
    label = f"kubectl label application {ADDON} -n {ADDON_NAMESPACE} {BREAK_GLASS}=true"
    assert label in PAGE
    assert f"kubectl patch crd {ROLLOUT_CRD} " in PAGE
    endpoint = Endpoint(ca_bundle=b"ca", url="https://127.0.0.1:9443")
    names = [w["name"] for w in validating_configuration(endpoint, {"tandem"})["webhooks"]]
    (told,) = re.findall(r'failed calling webhook "([^"]+)"', PAGE)
    assert told in names
