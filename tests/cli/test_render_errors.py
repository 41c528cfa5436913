"""What is wrong with an Application is one line: file, line, component, sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
Case = tuple[str, str, int, str]
COMPONENT = "component shop: component canary-ready-component: "
TRAIT = "component shop: trait rollout: "


@pytest.mark.parametrize(
    "case",
    [
        (
            "type: canary-ready-component",
            "type: canary-component",
            10,
            (
                "component shop: unknown component type `canary-component`; "
                "did you mean `canary-ready-component`?"
            ),
        ),
        (
            "type: rollout",
            "type: gateway",
            21,
            "component shop: unknown trait type `gateway`; known are init-image, rollout",
        ),
        (
            "type: canary-ready-component",
            "type: canary-ready-component@v9.0.0",
            10,
            (
                "component shop: component type `canary-ready-component` has no version 9.0.0 "
                "here, only 1.3.0"
            ),
        ),
        (
            "        initImage: shop-init:v1\n",
            "",
            11,
            COMPONENT + "`initImage` is missing: give a text",
        ),
        (
            "initImage: shop-init:v1",
            "initimage: shop-init:v1",
            13,
            COMPONENT + "`initimage` is unknown; did you mean `initImage`?",
        ),
        (
            "port: 8080\n",
            'port: "8080"\n',
            16,
            COMPONENT + "`port` is a text, expected a whole number",
        ),
        (
            "replicas: 5",
            "replicas: [5]",
            15,
            COMPONENT + "`replicas` is a list, expected a whole number",
        ),
        (
            "periodSeconds: 1",
            "periodSeconds: fast",
            19,
            COMPONENT + "`readinessProbe.periodSeconds` is a text, expected a whole number",
        ),
        (
            "periodSeconds: 1",
            "periodSecond: 1",
            19,
            COMPONENT + "`readinessProbe.periodSecond` is unknown; did you mean `periodSeconds`?",
        ),
        (
            "imagePullPolicy: Never",
            "imagePullPolicy: Sometimes",
            14,
            COMPONENT
            + '`imagePullPolicy` is "Sometimes", expected "Always" or "IfNotPresent" or "Never"',
        ),
        (
            "steps: [20, 50]",
            "steps: [50, 20]",
            23,
            TRAIT + "step 2 goes back from 50 to 20: no step may be smaller than the one before",
        ),
        (
            "steps: [20, 50]",
            "steps: [20, 500]",
            23,
            TRAIT + "step 2 has weight 500: weights are percentages from 1 to 100",
        ),
        (
            "steps: [20, 50]",
            'steps: [20, "50"]',
            23,
            TRAIT + "`steps[1]` is a text, expected a whole number or an object",
        ),
        (
            "steps: [20, 50]",
            "steps: [20, {wait: 5}]",
            23,
            TRAIT + "`steps[1].wait` is unknown",
        ),
        (
            "steps: [20, 50]",
            "steps: [{weight: many}]",
            23,
            TRAIT + "`steps[0].weight` is a text, expected a whole number",
        ),
        (
            "steps: [20, 50]",
            "steps: 20",
            23,
            TRAIT + "`steps` is a whole number, expected a list",
        ),
        (
            "{httpRoute: shop}",
            "{httproute: shop}",
            24,
            TRAIT + "`traffic.httproute` is unknown; did you mean `httpRoute`?",
        ),
        (
            "- type: rollout",
            "- kind: rollout",
            21,
            "spec.components[0].traits[0]: Object missing required field `type`",
        ),
        (
            "  components:\n",
            "  component:\n",
            7,
            "spec: Object missing required field `components`",
        ),
    ],
)
def test_one_line(run: Run, root: Path, tmp_path: Path, case: Case) -> None:
    old, new, line, says = case
    text = (root / "examples/shop-v1.yaml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "app.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    result = run("render", file)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == f"tandem: {file}:{line}: {says}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.yaml",), "none.yaml:1: cannot be read: No such file or directory"),
        (
            ("examples/shop-v1.yaml", "--definitions", "docs"),
            "docs holds no definitions (*.cue)",
        ),
    ],
)
def test_a_missing_file_is_one_line(run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run("render", *arguments)
    assert (result.exit_code, result.stderr) == (1, f"tandem: {says}\n")


def test_without_cue_it_says_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from tandem_generator import cue  # noqa: PLC0415 - its cache is emptied around the test

    cue.binary.cache_clear()
    monkeypatch.delenv(cue.PATH_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(__import__("sys").modules, "devcluster.tools", None)
    result = run("render", "examples/shop-v1.yaml")
    cue.binary.cache_clear()
    assert result.exit_code == 1
    assert result.stderr.startswith("tandem: the program `cue` is needed: go install")


def test_a_patch_that_contradicts_is_one_line(run: Run, root: Path, tmp_path: Path) -> None:
    (tmp_path / "fix.cue").write_text(
        '"fix": {type: "trait"}\ntemplate: {\n\tpatch: spec: replicas: 9\n\tparameter: {}\n}\n',
        encoding="utf-8",
    )
    text = (root / "examples/shop-v1.yaml").read_text(encoding="utf-8")
    file = tmp_path / "app.yaml"
    file.write_text(text.replace("- type: rollout", "- type: fix\n        - type: rollout"))
    folders = ("--definitions", tmp_path, "--definitions", "addon/tandem/definitions")
    result = run("render", file, *folders)
    assert result.stderr == (
        f"tandem: {file}:21: component shop: trait fix: spec.replicas is 5 and the patch says 9\n"
    )
