"""The addon package: what `vela addon enable ./addon/tandem` reads.

KubeVela compiles `template.cue`, `parameter.cue` and every `resources/*.cue` of package
`main` as one instance (kubevela `pkg/addon/render.go`). Resources are CUE and not YAML, so
that parameters reach them and each lies in the component, and so at the time, it belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tandem_controller import names
from tandem_controller.api import crd, kruise
from tandem_generator import cuetext, source, uischema
from tandem_generator.blueprint import DnsLabel, Version
from tandem_generator.definitions import Generated

_TEMPLATES = {
    "README.md": "README.md.j2",
    "parameter.cue": "parameter.cue.j2",
    "template.cue": "template.cue.j2",
    "NOTES.cue": "NOTES.cue.j2",
    ".helmignore": "helmignore.j2",
    "resources/rbac.cue": "resources/rbac.cue.j2",
    "resources/controller.cue": "resources/controller.cue.j2",
    "resources/controller-definition.cue": "resources/controller-definition.cue.j2",
    "resources/topology.cue": "resources/topology.cue.j2",
    "resources/monitoring-rules.cue": "resources/monitoring-rules.cue.j2",
    "resources/monitoring-scrape.cue": "resources/monitoring-scrape.cue.j2",
    "resources/monitoring-dashboard.cue": "resources/monitoring-dashboard.cue.j2",
}
_EVERYWHERE = re.compile(r'operator: "NotIn"(\s+)values: \["kube-system"\]')
"""The files match everywhere; the addon's parameter may say otherwise."""

_USAGE = re.compile(r"^\t// \+usage=(.+)\n\t(\w+)\??: (.+)$", re.MULTILINE)


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the addon needs."""

    vela: str
    kubernetes: str


class Metadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`metadata.yaml`: the one source of the addon's name and version."""

    name: DnsLabel
    version: Version
    description: str
    system: System
    icon: str = ""
    url: str = ""
    tags: tuple[str, ...] = ()
    dependencies: tuple[dict[str, str], ...] = ()
    invisible: bool = False


class Manifest(msgspec.Struct, frozen=True):
    """An object that others wrote as YAML, and its file's name."""

    file: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.body["metadata"]["name"])

    @property
    def kind(self) -> str:
        """The object's kind."""
        return str(self.body["kind"])

    @property
    def is_binding(self) -> bool:
        """Whether it binds a policy to what the policy judges."""
        return self.kind.endswith("Binding")


class Monitoring(msgspec.Struct, frozen=True):
    """Alert rules as Prometheus reads them (`groups`), and a Grafana dashboard."""

    rules: list[Any]
    dashboard: dict[str, Any]


class Inputs(msgspec.Struct, frozen=True):
    """All that the package is made of."""

    metadata: Metadata
    metadata_text: str
    definitions: Sequence[Generated]
    crds: Sequence[Manifest]
    admission: Sequence[Manifest]
    monitoring: Monitoring
    example: str


def load_manifests(folder: Path) -> tuple[Manifest, ...]:
    """Read a folder of YAML files with one object each; an absent folder is empty.

    KubeVela would keep the first document of a file and drop the others without a word.
    """
    files = sorted(folder.glob("*.yaml"))
    return tuple(Manifest(f.name, source.plain(source.load_one(f).node)) for f in files)


def load_monitoring(folder: Path) -> Monitoring:
    """Read the rules file and the dashboard of a folder."""
    rules = source.plain(source.load_one(folder / "rules.yaml").node)
    dashboard = msgspec.json.decode((folder / "dashboard.json").read_bytes())
    return Monitoring(rules["groups"], dashboard)


def load_metadata(file: Path) -> Metadata:
    """Read and check the addon's metadata."""
    return source.load_one(file).convert(Metadata)


def package(inputs: Inputs) -> dict[str, str]:
    """Return the package's files by their path in it."""
    values = _values(inputs)
    files = {path: cuetext.render(f"addon/{t}", values) for path, t in _TEMPLATES.items()}
    files["metadata.yaml"] = inputs.metadata_text
    files.update({f"definitions/{d.name}.cue": d.text for d in inputs.definitions})
    files.update(uischema.files(inputs.definitions))
    for group, manifests in (("crd", inputs.crds), ("admission", inputs.admission)):
        for manifest in manifests:
            path = f"resources/{group}-{Path(manifest.file).stem}.cue"
            files[path] = _object(group, manifest, inputs.metadata)
    return files


def _values(inputs: Inputs) -> dict[str, Any]:
    metadata = inputs.metadata
    values: dict[str, Any] = {
        "metadata": metadata,
        "image": f"oamdev/{metadata.name}:{metadata.version}",
        "definitions": inputs.definitions,
        "admission": inputs.admission,
        "mutating": any(m.kind.startswith("Mutating") for m in inputs.admission),
        "rollout_crd": crd.ROLLOUT_CRD,
        "policy_names": [m.name for m in inputs.admission if not m.is_binding],
        "binding_names": [m.name for m in inputs.admission if m.is_binding],
        "lease_name": names.LEASE,
        "kruise": {
            "lease": kruise.LEASE,
            "mutating": kruise.MUTATING,
            "validating": kruise.VALIDATING,
        },
        "secret_name": names.WEBHOOK_SECRET,
        "rules": inputs.monitoring.rules,
        "dashboard": msgspec.json.encode(inputs.monitoring.dashboard).decode(),
        "example": inputs.example,
        "platform_properties": sorted({p for d in inputs.definitions for p in d.platform}),
    }
    values["parameters"] = _parameter_rows(cuetext.render("addon/parameter.cue.j2", values))
    return values


def _object(group: str, manifest: Manifest, metadata: Metadata) -> str:
    values = {
        "origin": f"{group} {manifest.file}",
        "group": {"crd": "crds", "admission": "admission"}[group],
        "name": Path(manifest.file).stem,
        "body": manifest.body,
    }
    text = cuetext.render("addon/resources/object.cue.j2", values)
    text = _EVERYWHERE.sub(r"operator: _watched.operator\1values: _watched.values", text)
    return text.replace(*_controllers_user(metadata.name))


def _controllers_user(name: str) -> tuple[str, str]:
    """Return the user whom admission exempts, as the files state it and as a CUE text.

    The files name the default namespace; the addon's parameter may say another.
    """
    start, end = "system:serviceaccount:", f":{name}"
    return f"{start}vela-system{end}", f"{start}\\(parameter.namespace){end}"


def _parameter_rows(text: str) -> list[dict[str, str]]:
    """Return the rows of the README's table, read from `parameter.cue` itself."""
    return [
        {"name": name, "usage": usage, "default": _default(kind)}
        for usage, name, kind in _USAGE.findall(text)
    ]


def _default(kind: str) -> str:
    found = re.match(r"\*([^|]+) \|", kind)
    return f"`{found[1]}`" if found else ""
