"""The programs of the dev cluster: what they are, and building them once per version.

A program's version is the one its committed Go module requires; ``go.sum`` beside it makes the
build verified and repeatable. The result lies in the cache as ``<program>/<version>/<program>``.
A lock file keeps two builders apart, and a rename makes a finished build appear at once, so an
interrupted build leaves nothing that looks finished.
"""

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from devcluster import golang, paths, prometheus
from devcluster.cache import only_maker
from devcluster.progress import Say, timed, to_stderr


@dataclass(frozen=True)
class Program:
    """One Go program: the folder of its pin, the module pinned there, and its main package."""

    name: str
    pin: str
    module: str
    package: str
    version_variables: tuple[str, ...] = ()
    """Variables set to the version by the linker, else the program reports v0.0.0."""

    @property
    def version(self) -> str:
        """The version that the committed ``go.mod`` requires."""
        return pinned_version(self.pin, self.module)


_K8S_VERSION = ("k8s.io/component-base/version.gitVersion",)


def _kubernetes(name: str) -> Program:
    package = f"k8s.io/kubernetes/cmd/{name}"
    return Program(name, "kubernetes", "k8s.io/kubernetes", package, _K8S_VERSION)


def _cue(pin: str) -> Program:
    return Program("cue", pin, "cuelang.org/go", "cuelang.org/go/cmd/cue")


CONTROL_PLANE = (
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    Program("kwok", "kwok", "sigs.k8s.io/kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    _cue("cue"),
)
"""What every lane needs."""

CUE_OF_KUBEVELA = {"1.11": _cue("cue"), "1.10": _cue("cue-0.9"), "1.9": _cue("cue-0.5")}
"""The CUE that each KubeVela links (its ``go.mod``): definitions have to mean the same in all."""

_TRAEFIK = "github.com/traefik/traefik/v3"

REAL_NODE = (
    # Not newer than 1.34: later kubelets refuse cgroup v1.
    _kubernetes("kubelet"),
    Program(
        "traefik",
        "traefik",
        _TRAEFIK,
        f"{_TRAEFIK}/cmd/traefik",
        (f"{_TRAEFIK}/pkg/version.Version",),
    ),
)
"""What only the real node's lane needs, and only that lane builds."""

PROGRAMS = {program.name: program for program in (*CONTROL_PLANE, *REAL_NODE)}


class BuildError(RuntimeError):
    """A program did not build; the message holds the compiler's last words."""


def program(name: str, say: Say = to_stderr) -> Path:
    """The path of a built program; it is built when the cache has no such version yet."""
    return _built(PROGRAMS[name], say)


def cue_path(kubevela: str = "1.11", say: Say = to_stderr) -> Path:
    """The path of the ``cue`` that a minor version of KubeVela links, built when missing."""
    return _built(CUE_OF_KUBEVELA[kubevela], say)


def gateway_api_crds(say: Say = to_stderr) -> Path:
    """The folder of the pinned Gateway API's CRDs, standard channel."""
    return _crds("gateway-api", "sigs.k8s.io/gateway-api", "config/crd/standard", say)


def prometheus_operator_crds(say: Say = to_stderr) -> Path:
    """The folder of the pinned prometheus-operator's CRDs, for tests of what the addon ships."""
    module = "github.com/prometheus-operator/prometheus-operator"
    return _crds("prometheus-operator", module, "example/prometheus-operator-crd", say)


def build(*, real_node: bool, say: Say = to_stderr) -> None:
    """Build everything that a cluster with or without a real node needs, and what tests need."""
    older_cues = (p for p in CUE_OF_KUBEVELA.values() if p.pin != "cue")
    for wanted in (*CONTROL_PLANE, *older_cues, *(REAL_NODE if real_node else ())):
        say(f"{wanted.name} {wanted.version}: {_built(wanted, say)}")
    say(f"gateway-api: {gateway_api_crds(say)}")
    say(f"prometheus: {prometheus.program(say=say)}")
    say(f"prometheus-operator: {prometheus_operator_crds(say)}")


def build_missing(*, real_node: bool, say: Say = to_stderr) -> None:
    """Like ``build``, but silent about what is there."""
    for wanted in (*CONTROL_PLANE, *(REAL_NODE if real_node else ())):
        program(wanted.name, say)
    gateway_api_crds(say)


@cache
def pinned_version(pin: str, module: str) -> str:
    """The version of ``module`` that the ``go.mod`` in folder ``pin`` requires."""
    text = (paths.GO_MODULES / pin / "go.mod").read_text()
    match = re.search(rf"^(?:require |\t){re.escape(module)} (v\S+)", text, re.MULTILINE)
    if match is None:
        raise BuildError(f"devcluster/go/{pin}/go.mod requires no {module}")
    return match[1]


def _built(wanted: Program, say: Say) -> Path:
    path = paths.cache_home() / wanted.name / wanted.version / wanted.name
    if path.exists():
        return path
    with only_maker(path.parent):
        if not path.exists():
            with timed(f"Building {wanted.name} {wanted.version}", say):
                _build(wanted, path, say)
    return path


def _crds(pin: str, module: str, folder: str, say: Say) -> Path:
    """Take a folder of YAML files out of a Go module, once per version."""
    path = paths.cache_home() / pin / pinned_version(pin, module) / Path(folder).name
    if path.exists():
        return path
    with only_maker(path.parent):
        if not path.exists():
            with timed(f"Fetching the CRDs of {pin} {path.parent.name}", say):
                source = json.loads(_go(["mod", "download", "-json", module], pin, say).stdout)
                _copy_at_once(Path(source["Dir"]) / folder, path)
    return path


def _build(wanted: Program, path: Path, say: Say) -> None:
    sets = " ".join(f"-X {variable}={wanted.version}" for variable in wanted.version_variables)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        output = Path(scratch) / wanted.name
        command = ["build", "-mod=readonly", "-trimpath", "-ldflags", f"-s -w {sets}".strip()]
        _go([*command, "-o", str(output), wanted.package], wanted.pin, say)
        output.rename(path)


def _copy_at_once(source: Path, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        copy = Path(scratch) / path.name
        copy.mkdir()
        for file in source.glob("*.yaml"):
            (copy / file.name).write_bytes(file.read_bytes())
        copy.rename(path)


def _go(arguments: list[str], pin: str, say: Say) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    result = subprocess.run(
        [golang.go_command(say), *arguments],
        cwd=paths.GO_MODULES / pin,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        last_words = "\n".join(result.stderr.strip().splitlines()[-15:])
        raise BuildError(f"go {' '.join(arguments)} failed in devcluster/go/{pin}:\n{last_words}")
    return result
