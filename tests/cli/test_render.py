"""`tandem render` prints whole objects as KubeVela would apply them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import Result

Run = Callable[..., Result]
TRAIT = """\
"scaler": {
	type: "trait"
	annotations: {}
	labels: {}
	description: "Sets the replicas, and adds an init container"
	attributes: {stage: "PostDispatch"}
}
template: {
	patch: {
		// +patchStrategy=retainKeys
		metadata: annotations: "scaled-by": context.name
		spec: replicas: parameter.replicas
		spec: template: spec: {
			// +patchKey=name
			initContainers: [
				{name: "init", command: ["copy"]},
				{name: "wait", image: parameter.waitImage},
			]
		}
	}
	patchOutputs: service: metadata: labels: scaled: "yes"
	outputs: budget: {
		apiVersion: "policy/v1"
		kind:       "PodDisruptionBudget"
		spec: selector: matchLabels: context.output.spec.selector.matchLabels
	}
	parameter: {
		replicas:  int
		waitImage: string
	}
}
"""


@pytest.mark.parametrize("name", ["shop-v1", "shop-v2", "shop-v3"])
def test_an_example_becomes_exactly_these_objects(run: Run, root: Path, name: str) -> None:
    result = run("render", f"examples/{name}.yaml")
    assert result.exit_code == 0, result.output
    expected = (root / "tests/cli/expected" / f"{name}.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load_all(result.stdout)) == list(yaml.safe_load_all(expected))
    assert result.stdout == expected


def test_json_is_a_list_that_kubectl_takes(run: Run) -> None:
    result = run("render", "examples/shop-v1.yaml", "-o", "json")
    listed = json.loads(result.stdout)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    assert [o["kind"] for o in listed["items"]] == [
        "ReleasePolicy",
        "Rollout",
        "Deployment",
        "Service",
    ]


def test_the_old_application_is_the_whole_way_back(run: Run) -> None:
    """Between v1 and v2 nothing differs but the two images."""
    one, two = (run("render", f"examples/shop-v{v}.yaml").stdout for v in (1, 2))
    assert one.replace("shop-init:v1", "shop-init:v2").replace("shop:v1", "shop:v2") == two


def write(folder: Path, text: str) -> Path:
    file = folder / "app.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_other_objects_pass_as_they_are(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path, "apiVersion: v1\nkind: Namespace\nmetadata: {name: demo}\n")
    assert yaml.safe_load(run("render", file).stdout) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "demo"},
    }


def test_the_namespace_is_the_applications_or_the_option(
    run: Run, root: Path, tmp_path: Path
) -> None:
    text = (root / "examples/shop-v1.yaml").read_text(encoding="utf-8")
    file = write(tmp_path, text.replace("  namespace: demo\n", ""))
    for arguments, expected in (((), "default"), (("-n", "mine"), "mine")):
        objects = list(yaml.safe_load_all(run("render", file, *arguments).stdout))
        assert {o["metadata"]["namespace"] for o in objects} == {expected}
        labels = [o["metadata"]["labels"]["app.oam.dev/namespace"] for o in objects]
        assert set(labels) == {expected}


def test_annotations_of_the_application_reach_its_objects(
    run: Run, root: Path, tmp_path: Path
) -> None:
    """KubeVela passes them on, but for those that it keeps to itself."""
    text = (root / "examples/shop-v1.yaml").read_text(encoding="utf-8")
    stated = {"team": "x", "secret": "y", "filter.oam.dev/annotation-keys": "secret"}
    annotations = f"  name: shop\n  annotations: {json.dumps(stated)}\n"
    file = write(tmp_path, text.replace("  name: shop\n", annotations, 1))
    for item in yaml.safe_load_all(run("render", file).stdout):
        found = dict(item["metadata"]["annotations"])
        found.pop("rollouts.kruise.io/rolling-style", None)
        assert found.pop("tandem.oam.dev/component-version", "1.3.0") == "1.3.0"
        assert found == {"team": "x"}
        assert "annotations" not in item.get("spec", {}).get("template", {}).get("metadata", {})


def test_what_only_kubevela_can_do_is_noted(run: Run, root: Path, tmp_path: Path) -> None:
    text = (root / "examples/shop-v1.yaml").read_text(encoding="utf-8")
    file = write(tmp_path, text + "  workflow: {steps: [{name: go, type: suspend}]}\n")
    result = run("render", file)
    assert result.exit_code == 0
    assert result.stderr == (
        f"tandem: note: {file}:25: workflow is for KubeVela and is not rendered\n"
    )


def test_patches_of_a_trait_are_merged(run: Run, root: Path, tmp_path: Path) -> None:
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    (definitions / "scaler.cue").write_text(TRAIT, encoding="utf-8")
    text = (root / "examples/shop-v1.yaml").read_text(encoding="utf-8").replace("replicas: 5", "")
    trait = "traits:\n        - {type: scaler, properties: {replicas: 7, waitImage: w:1}}\n"
    file = write(tmp_path, text.replace("traits:\n", trait))
    arguments = ("--definitions", definitions, "--definitions", root / "addon/tandem/definitions")
    result = run("render", file, *arguments)
    assert result.exit_code == 0, result.output
    objects = {o["kind"]: o for o in yaml.safe_load_all(result.stdout)}
    workload = objects["Deployment"]
    assert workload["spec"]["replicas"] == 7
    assert workload["metadata"]["annotations"] == {
        "scaled-by": "shop",
        "tandem.oam.dev/component-version": "1.3.0",
    }
    assert workload["spec"]["template"]["spec"]["initContainers"] == [
        {
            "name": "init",
            "image": "shop-init:v1",
            "imagePullPolicy": "Never",
            "command": ["copy"],
            "volumeMounts": [{"name": "work", "mountPath": "/work"}],
        },
        {"name": "wait", "image": "w:1"},
    ]
    assert objects["Service"]["metadata"]["labels"]["scaled"] == "yes"
    assert list(objects)[-1] == "PodDisruptionBudget"
    assert objects["PodDisruptionBudget"] == {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": "shop",
            "namespace": "demo",
            "labels": {
                "app.oam.dev/name": "shop",
                "app.oam.dev/namespace": "demo",
                "app.oam.dev/component": "shop",
                "app.oam.dev/resourceType": "TRAIT",
                "trait.oam.dev/type": "scaler",
                "trait.oam.dev/resource": "budget",
            },
        },
        "spec": {"selector": {"matchLabels": {"app.oam.dev/component": "shop"}}},
    }
    policy = objects["ReleasePolicy"]["spec"]["containers"]
    assert policy == {"platform": ["init", "wait"], "business": ["shop"]}


def test_a_version_is_picked_by_its_number(run: Run, root: Path, tmp_path: Path) -> None:
    """Two versions of one definition lie in two folders; the first folder is the default."""
    newer = tmp_path / "newer"
    newer.mkdir()
    text = (root / "addon/tandem/definitions/canary-ready-component.cue").read_text("utf-8")
    changed = text.replace('version: "1.3.0"', 'version: "1.4.0"').replace('*"/work"', '*"/data"')
    (newer / "canary-ready-component.cue").write_text(changed, encoding="utf-8")
    app = (root / "examples/shop-v1.yaml").read_text(encoding="utf-8")
    for reference, path in (("", "/data"), ("@v1.4.0", "/data"), ("@v1.3.0", "/work")):
        file = write(
            tmp_path,
            app.replace("type: canary-ready-component", f"type: canary-ready-component{reference}"),
        )
        folders = ("--definitions", newer, "--definitions", root / "addon/tandem/definitions")
        result = run("render", file, *folders)
        assert f"mountPath: {path}" in result.stdout, result.output


def test_help_imports_no_verb() -> None:
    import subprocess  # noqa: PLC0415 - a fresh interpreter is the point
    import sys  # noqa: PLC0415

    script = (
        "import sys; from tandem_cli import main; sys.argv = ['tandem', '--help'];"
        "\ntry: main.main()\nexcept SystemExit: pass"
        "\nprint([m for m in ('aiohttp', 'jinja2', 'kubernetes', 'msgspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert b"render" in done.stdout
    assert done.stdout.splitlines()[-1] == b"[]"
