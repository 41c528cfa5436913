"""`tandem render` gives object by object what KubeVela renders.

`k8s-objects` is left out: `tandem render` refuses parameters that a schema does not know, and
KubeVela's schema of an object is `{}`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.bed import Obj
from tests.kubevela.dryrun import as_cue, dry_run
from tests.kubevela.programs import Programs
from tests.kubevela.test_builtin_components import application

pytestmark = pytest.mark.kubevela

ROOT = Path(__file__).parents[2]
OURS = ROOT / "addon" / "tandem" / "definitions"
BUILTIN = ("webservice", "worker", "scaler", "k8s-update-strategy")
EXAMPLES = sorted((ROOT / "examples").glob("shop-*.yaml"))
OWN = {"businessImage": "shop:v1", "initImage": "init:v1", "port": 8080}
SCALER = {"type": "scaler", "properties": {"replicas": 4}}
INIT = {"type": "init-image", "properties": {"image": "init:v1", "mounts": [{"path": "/work"}]}}
STRATEGY = {
    "type": "k8s-update-strategy",
    "properties": {"strategy": {"rollingStrategy": {"maxSurge": "50%"}}},
}


def _own(**properties: Any) -> Obj:  # noqa: ANN401 - properties of the component
    return {"type": "canary-ready-component", "properties": OWN | properties}


WEB = {"type": "webservice", "properties": {"image": "shop:v1", "ports": [{"port": 80}]}}
WORKER = {"type": "worker", "properties": {"image": "shop:v1"}}
EXPOSED = {
    "type": "webservice",
    "properties": {"image": "shop:v1", "ports": [{"port": 80, "expose": True}]},
}
APPLICATIONS = {
    "ours": application(_own(replicas=3)),
    "ours, named and drained": application(_own(containerName="web", drainSeconds=0)),
    "ours with scaler": application(_own(), None, SCALER),
    "ours with strategy": application(_own(), None, STRATEGY),
    "webservice": application(WEB, None, SCALER),
    "webservice, exposed": application(EXPOSED, [{"weight": 5, "pause": "10m"}], SCALER),
    "webservice with init image": application(WEB, None, SCALER, INIT),
    "worker": application(WORKER, None, INIT),
}


@pytest.fixture(scope="session")
def definitions(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of our definitions and KubeVela's own, as CUE."""
    folder = tmp_path_factory.mktemp("dry-run") / "definitions"
    shutil.copytree(OURS, folder)
    for definition in programs.definitions():
        name = definition["metadata"]["name"]
        if name in BUILTIN and definition["kind"] in ("ComponentDefinition", "TraitDefinition"):
            (folder / f"{name}.cue").write_text(as_cue(definition))
    (folder / "release-checkpoint.cue").unlink()
    return folder


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example(programs: Programs, definitions: Path, file: Path) -> None:
    assert _rendered(file, definitions) == _normal(dry_run(programs, file, definitions))


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_component_with_traits(
    programs: Programs, definitions: Path, tmp_path: Path, name: str
) -> None:
    stated = APPLICATIONS[name]
    metadata = {**stated["metadata"], "namespace": "demo"}
    file = tmp_path / "app.yaml"
    file.write_text(yaml.safe_dump({**stated, "metadata": metadata}))
    assert _rendered(file, definitions) == _normal(dry_run(programs, file, definitions))


def _rendered(file: Path, definitions: Path) -> dict[tuple[str, str], Obj]:
    tandem = Path(sys.executable).with_name("tandem")
    done = subprocess.run(
        [tandem, "render", "--definitions", definitions, file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return _normal([found for found in yaml.safe_load_all(done.stdout) if found])


def _normal(objects: list[Obj]) -> dict[tuple[str, str], Obj]:
    """Return objects by kind and name, less the revision, which KubeVela alone counts.

    `vela` prints annotations that there are none of as an empty map.
    """
    return {(o["kind"], o["metadata"]["name"]): _without_revision(o) for o in objects}


def _without_revision(found: Obj) -> Obj:
    labels = {k: v for k, v in found["metadata"]["labels"].items() if "evision" not in k}
    metadata = {k: v for k, v in found["metadata"].items() if k != "annotations" or v}
    return {**found, "metadata": {**metadata, "labels": labels}}
