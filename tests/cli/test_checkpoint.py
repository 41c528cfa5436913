"""`tandem checkpoint`: where its sides come from, what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from typer.testing import Result

from tandem_cli.checkpoint import sources
from tandem_controller.kube.errors import NotFound
from tandem_controller.kube.resource import Resource
from tandem_generator import evaluate

Run = Callable[..., Result]
Write = Callable[..., Path]

V1 = Path("examples/shop-v1.yaml")
V2 = Path("examples/shop-v2.yaml")
OWN = Path("addon/tandem/definitions")
DEFINITION = "canary-ready-component.cue"


@pytest.fixture
def write(root: Path, tmp_path: Path) -> Write:
    """Write the first shop with some texts replaced; return the file."""

    def write(name: str, *changes: tuple[str, str]) -> Path:
        text = (root / V1).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def newer(root: Path, tmp_path: Path) -> Path:
    """A folder with the next version of our definitions: it drains before it stops."""
    folder = tmp_path / "newer"
    folder.mkdir()
    for file in (root / OWN).glob("*.cue"):
        text = file.read_text(encoding="utf-8")
        text = text.replace('version: "1.3.0"', 'version: "1.4.0"').replace(*DRAIN)
        (folder / file.name).write_text(text, encoding="utf-8")
    assert '"1.4.0"' in (folder / DEFINITION).read_text(encoding="utf-8")
    return folder


DRAIN = ("parameter.drainSeconds + 30", "parameter.drainSeconds + 60")
"""A field of the whole pod, which by itself would count as business."""
BUSINESS = ("businessImage: shop:v1", "businessImage: shop:v2")
PLATFORM = ("initImage: shop-init:v1", "initImage: shop-init:v2")


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ((), 0, "nothing changes"),
        ((BUSINESS,), 0, "a business release"),
        ((PLATFORM,), 0, "a component update"),
        ((("steps: [20, 50]", "steps: [5]"),), 0, "neither a component update nor"),
        ((BUSINESS, PLATFORM), 1, "would go out together"),
    ],
)
def test_applications_are_judged_by_what_they_render(
    run: Run, write: Write, changes: tuple[tuple[str, str], ...], code: int, says: str
) -> None:
    result = run("checkpoint", "--from", V1, "--to", write("new.yaml", *changes))
    assert (result.exit_code, result.stderr) == (code, "")
    assert says in result.stdout
    assert result.stdout.endswith("FAIL\n" if code else "PASS\n")


def test_the_text_names_every_difference_and_the_way_out(run: Run) -> None:
    result = run("checkpoint", "--from", V1, "--to", V2)
    assert result.exit_code == 1
    assert result.stdout == (
        "component shop of Application demo/shop: a component update and a business release\n"
        "  platform   initContainers[init].image: shop-init:v1 -> shop-init:v2\n"
        "  business   containers[shop].image: shop:v1 -> shop:v2\n"
        "component shop of Application demo/shop: a component update and a business release would "
        "go out together (initContainers[init].image; containers[shop].image). Release one of the "
        "two first, then the other. Where both belong together, give the Application the "
        "annotation tandem.oam.dev/together with the reason, or run with --allow-both.\n"
        "FAIL\n"
    )


def test_json_says_the_same_to_programs(run: Run) -> None:
    result = run("checkpoint", "--from", V1, "--to", V2, "-o", "json")
    init, shop = (
        {
            "part": part,
            "what": f"{kind}[{name}].image",
            "before": f"{image}:v1",
            "after": f"{image}:v2",
        }
        for part, kind, name, image in (
            ("Platform", "initContainers", "init", "shop-init"),
            ("Business", "containers", "shop", "shop"),
        )
    )
    version = {"name": "canary-ready-component", "version": "1.3.0"}
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "verdict": "Fail",
        "components": [
            {
                "namespace": "demo",
                "application": "shop",
                "component": "shop",
                "presence": "Kept",
                "change": "Both",
                "definition": {"before": version, "after": version},
                "differences": [init, shop],
            }
        ],
        "conflicts": [
            {
                "what": "component shop of Application demo/shop",
                "update": [init],
                "release": [shop],
            }
        ],
        "allowed": [],
        "notes": [],
    }


def test_a_definition_upgrade_is_a_component_update_whatever_it_touches(
    run: Run, write: Write, newer: Path
) -> None:
    upgrade = ("--definitions-to", newer)
    alone = run("checkpoint", "--from", V1, "--to", V1, *upgrade)
    assert alone.exit_code == 0, alone.output
    assert (
        "definition: canary-ready-component 1.3.0 -> canary-ready-component 1.4.0" in alone.stdout
    )
    assert "platform   terminationGracePeriodSeconds (by the definition)" in alone.stdout
    together = run("checkpoint", "--from", V1, "--to", write("new.yaml", BUSINESS), *upgrade)
    assert together.exit_code == 1, together.output


def test_a_pinned_version_that_moves_is_a_component_update(
    run: Run, root: Path, write: Write, newer: Path
) -> None:
    both = [part for folder in (root / OWN, newer) for part in ("--definitions-to", folder)]
    both += [part.replace("-to", "-from") if isinstance(part, str) else part for part in both]
    pinned = [
        ("type: canary-ready-component", f"type: canary-ready-component@v{version}")
        for version in ("1.3.0", "1.4.0")
    ]
    old = write("old.yaml", pinned[0])
    moved = run("checkpoint", "--from", old, "--to", write("new.yaml", pinned[1]), *both)
    assert moved.exit_code == 0, moved.output
    assert "a component update" in moved.stdout
    released = write("released.yaml", pinned[1], BUSINESS)
    assert run("checkpoint", "--from", old, "--to", released, *both).exit_code == 1


def test_rendered_objects_are_compared_with_applications_and_with_each_other(
    run: Run, tmp_path: Path
) -> None:
    """So it works after `vela dry-run`, too, and for definitions that are not at hand."""
    rendered = {}
    for version, file in ((1, V1), (2, V2)):
        rendered[version] = tmp_path / f"rendered-{version}.yaml"
        rendered[version].write_text(run("render", file).stdout, encoding="utf-8")
    listed = tmp_path / "list.json"
    listed.write_text(run("render", V2, "-o", "json").stdout, encoding="utf-8")
    for old, new in ((rendered[1], rendered[2]), (V1, rendered[2]), (rendered[1], listed)):
        result = run("checkpoint", "--from", old, "--to", new)
        assert result.exit_code == 1, result.output
        assert result.stdout.startswith("component shop of Application demo/shop: a component upd")
    assert run("checkpoint", "--from", rendered[2], "--to", V2).stdout == "nothing changes\nPASS\n"


def test_manifests_without_an_application_are_judged_by_workload(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def manifests(name: str, init: str, shop: str, env: str) -> Path:
        pod = {
            "initContainers": [{"name": "i", "image": init}],
            "containers": [
                {"name": "c", "image": shop, "envFrom": [{"configMapRef": {"name": "env"}}]}
            ],
        }
        objects: list[dict[str, Any]] = [
            {"kind": "ConfigMap", "metadata": {"name": "env"}, "data": {"k": env}},
            {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": pod}}},
        ]
        file = tmp_path / name
        file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        return file

    old = manifests("old", "i:1", "c:1", "a")
    monkeypatch.chdir(tmp_path)  # no definitions are near, and none are needed
    for new, code in (
        (manifests("config", "i:1", "c:1", "b"), 0),
        (manifests("init", "i:2", "c:1", "a"), 0),
        (manifests("init-and-config", "i:2", "c:1", "b"), 1),
    ):
        result = run("checkpoint", "--from", old, "--to", new)
        assert result.exit_code == code, result.output
        assert result.stdout.startswith("Deployment d in namespace default: ")
    sidecar = run("checkpoint", "--from", old, "--to", manifests("n", "i:2", "c:2", "a"))
    assert sidecar.exit_code == 1
    named = run("checkpoint", "--from", old, "--to", tmp_path / "n", "--platform", "c")
    assert named.exit_code == 0


@pytest.fixture
def repository(root: Path, tmp_path: Path) -> Path:
    """A git repository whose first commit holds the first shop and our definitions."""
    folder = tmp_path / "repository"
    (folder / "definitions").mkdir(parents=True)
    (folder / "app.yaml").write_text((root / V1).read_text("utf-8"), encoding="utf-8")
    for file in (root / OWN).glob("*.cue"):
        (folder / "definitions" / file.name).write_text(file.read_text("utf-8"), encoding="utf-8")
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", *who, *command], cwd=folder, check=True)
    return folder


def test_a_git_revision_is_a_side_with_its_own_definitions(
    run: Run, repository: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    app, definition = repository / "app.yaml", repository / "definitions" / DEFINITION
    arguments = ["checkpoint", "--from", "git:HEAD:app.yaml", "--to", "app.yaml"]
    arguments += ["--definitions-from", "git:HEAD:definitions", "--definitions-to", "definitions"]
    assert run(*arguments).stdout == "nothing changes\nPASS\n"
    definition.write_text((newer / DEFINITION).read_text("utf-8"), encoding="utf-8")
    update = run(*arguments)
    assert (update.exit_code, "a component update\n" in update.stdout) == (0, True)
    app.write_text(app.read_text("utf-8").replace(*BUSINESS), encoding="utf-8")
    assert run(*arguments).exit_code == 1


class Server:
    """A cluster with what lives at some paths; anything else is not found."""

    def __init__(self, **found: object) -> None:
        self.found = found
        self.asked: list[str] = []

    async def connect(self, **_: object) -> Server:
        return self

    async def get(self, resource: Resource, name: str, namespace: str) -> bytes:
        self.asked.append(resource.path(namespace, name))
        if resource.plural not in self.found:
            raise NotFound(404, "NotFound", "not found")
        return msgspec.json.encode(self.found[resource.plural])

    async def close(self) -> None:
        """Nothing is open."""


def live(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / V1).read_text(encoding="utf-8"))
    return {**found, "status": {"latestRevision": {"name": "shop-v3", "revision": 3}}}


def revision(folder: Path) -> dict[str, Any]:
    """Return the ApplicationRevision of the definitions in a folder, as KubeVela writes it."""
    spec: dict[str, Any] = {"componentDefinitions": {}, "traitDefinitions": {}}
    for file in folder.glob("*.cue"):
        head, _, body = file.read_text(encoding="utf-8").partition("\ntemplate: {\n")
        definition = evaluate.read(file)
        imports = re.search(r"^import \(.*?\n\)\n", head, re.DOTALL | re.MULTILINE)
        template = (imports[0] if imports else "") + body.rstrip().removesuffix("}")
        stated = {"version": definition.version, "schematic": {"cue": {"template": template}}}
        if definition.stage:
            stated["stage"] = definition.stage
        if definition.kind in ("component", "trait"):
            spec[f"{definition.kind}Definitions"][definition.name] = {"spec": stated}
    return {"metadata": {"name": "shop-v3"}, "spec": spec}


def test_the_application_that_runs_in_the_cluster_is_a_side_with_what_rendered_it(
    run: Run, root: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(applications=live(root), applicationrevisions=revision(root / OWN))
    monkeypatch.setattr(sources, "Client", server)
    side = ("checkpoint", "--from", "cluster:demo/shop")
    assert run(*side, "--to", V1).stdout == "nothing changes\nPASS\n"
    assert run(*side, "--to", V2).exit_code == 1
    upgraded = run(*side, "--to", V1, "--definitions-to", newer)
    assert "canary-ready-component 1.3.0 -> canary-ready-component 1.4.0" in upgraded.stdout
    base = "/apis/core.oam.dev/v1beta1/namespaces/demo"
    assert set(server.asked) == {
        f"{base}/applications/shop",
        f"{base}/applicationrevisions/shop-v3",
    }


def test_a_live_application_without_its_definitions_needs_a_folder(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(**found: object) -> Result:
        monkeypatch.setattr(sources, "Client", Server(**found))
        return run("checkpoint", "--from", "cluster:demo/shop", "--to", V1, *folder)

    folder: tuple[str | Path, ...] = ()
    bare = {**live(root), "status": {}}
    packed = {"spec": {"compression": {"type": "gzip", "data": "H4s"}}}
    cases = ({"applications": bare}, {"applications": live(root), "applicationrevisions": packed})
    for found in cases:
        refused = judged(**found)
        assert refused.exit_code == 2
        assert "--definitions-from" in refused.stderr
    folder = ("--definitions-from", OWN)
    for found in cases:
        assert judged(**found).exit_code == 0


def test_stdin_is_a_side_but_not_both(run: Run, root: Path) -> None:
    text = (root / V1).read_text(encoding="utf-8")
    assert run("checkpoint", "--from", "-", "--to", V2, stdin=text).exit_code == 1
    assert run("checkpoint", "--from", "-", "--to", "-", stdin=text).exit_code == 2


def test_both_may_go_out_where_somebody_says_so_and_it_is_said_loudly(
    run: Run, write: Write
) -> None:
    option = run("checkpoint", "--from", V1, "--to", V2, "--allow-both")
    assert option.exit_code == 0
    loud = "!! ALLOWED TO GO OUT TOGETHER !! component shop of Application demo/shop: allowed by "
    assert f"{loud}--allow-both\nPASS\n" in option.stdout
    why = ("  name: shop\n  namespace", "  name: shop\n  annotations: {%s: cve}\n  namespace")
    waived = (why[0], why[1] % "tandem.oam.dev/together")
    new = write("new.yaml", BUSINESS, PLATFORM, waived)
    stated = run("checkpoint", "--from", V1, "--to", new)
    assert stated.exit_code == 0, stated.output
    assert f"{loud}annotation tandem.oam.dev/together: cve\nPASS\n" in stated.stdout
    again = run("checkpoint", "--from", write("old.yaml", waived), "--to", new)
    assert again.exit_code == 1, "a waiver that was there before waves nothing through"
    asked = run("checkpoint", "--from", V1, "--to", new, "-o", "json")
    assert json.loads(asked.stdout)["verdict"] == "Allowed"
    assert "ALLOWED TO GO OUT TOGETHER" in asked.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "nowhere.yaml"), "nowhere.yaml cannot be read: No such file or directory"),
        (("--from", "git:HEAD"), "git:HEAD: write git:REVISION:PATH"),
        (("--from", "git:no-such-revision:x"), "git:no-such-revision:x cannot be read: git says"),
        (("--from", "cluster:shop"), "cluster:shop: write cluster:NAMESPACE/NAME"),
        (("--from", "cluster:demo/shop"), "cluster:demo/shop cannot be read: not found"),
        (("--from", V1, "--definitions-from", "docs"), "docs holds no definitions (*.cue)"),
        (("--from", "{other}"), "component shop: unknown component type `webservice`"),
        (("--from", "{broken}"), "not YAML"),
    ],
)
def test_what_cannot_be_judged_is_neither_yes_nor_no(
    run: Run,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str | Path, ...],
    says: str,
) -> None:
    monkeypatch.setattr(sources, "Client", Server())
    other = write("other.yaml", ("type: canary-ready-component", "type: webservice"))
    broken = write("broken.yaml", ("kind: Application", "kind: ["))
    words = [str(a).format(other=other, broken=broken) for a in arguments]
    result = run("checkpoint", *words, "--to", V1)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("tandem: cannot be judged: ")
    assert says in result.stderr
    asked = run("checkpoint", *words, "--to", V1, "-o", "json")
    assert json.loads(asked.stdout)["verdict"] == "Unjudged"
    assert says in json.loads(asked.stdout)["problem"]


def test_an_application_that_does_not_fit_new_definitions_is_compared_all_the_same(
    run: Run, write: Write, newer: Path
) -> None:
    """A new required parameter: the old Application cannot state it."""
    file = newer / DEFINITION
    text = file.read_text(encoding="utf-8").replace("businessImage: string", "shopImage: string")
    file.write_text(text.replace(".businessImage", ".shopImage"), encoding="utf-8")
    new = write("new.yaml", ("businessImage: shop:v1", "shopImage: shop:v1"))
    result = run("checkpoint", "--from", V1, "--to", new, "--definitions-to", newer)
    assert "note: Application demo/shop of the old side cannot be rendered" in result.stdout
    assert result.exit_code == 1, "what the definition changes counts as the Application's"


def test_policies_are_noted_and_overrides_in_them_are_judged(run: Run, write: Write) -> None:
    policies = "  policies: [{name: prod, type: override, properties: {components: [{name: shop, "
    old = write("old.yaml")
    for properties, code in (
        ("{initImage: i:v2}", 0),
        ("{businessImage: s:v2, initImage: i:v2}", 1),
    ):
        new = write("new.yaml")
        whole = f"{policies}properties: {properties}}}]}}}}]\n"
        new.write_text(new.read_text("utf-8") + whole, encoding="utf-8")
        result = run("checkpoint", "--from", old, "--to", new)
        assert result.exit_code == code, result.output
        assert "policy prod.initImage: none -> i:v2" in result.stdout
        assert "note: Application demo/shop: policies change" in result.stdout
