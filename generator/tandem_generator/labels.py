"""The labels and annotations that KubeVela puts on what it applies.

From kubevela `pkg/appfile/appfile.go` (`evalWorkloadWithContext`, `setWorkloadLabels`,
`setTraitLabels`, `filterAndSetAnnotations`). The revision's labels are left out: without
KubeVela there is no revision. All of them stand on the object, none in the pod template.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_NOT_PASSED_ON = {
    "app.oam.dev/inplace-upgrade",
    "filter.oam.dev/label-keys",
    "filter.oam.dev/annotation-keys",
    "kubectl.kubernetes.io/last-applied-configuration",
}
_FILTER = "filter.oam.dev/annotation-keys"


class Labels(msgspec.Struct, frozen=True):
    """What all objects of one Application have in common."""

    application: str
    namespace: str
    annotations: Mapping[str, str]

    def workload(self, body: Mapping[str, Any], component: str, kind: str) -> dict[str, Any]:
        """Return a component's workload as KubeVela would apply it."""
        own = {"workload.oam.dev/type": kind, "app.oam.dev/resourceType": "WORKLOAD"}
        return self._finish(body, component, own)

    def trait(
        self, body: Mapping[str, Any], component: str, kind: str, output: str
    ) -> dict[str, Any]:
        """Return an output of a trait, or a further output of a component."""
        own = {
            "trait.oam.dev/type": kind,
            "trait.oam.dev/resource": output,
            "app.oam.dev/resourceType": "TRAIT",
        }
        return self._finish(body, component, own)

    def _finish(
        self, body: Mapping[str, Any], component: str, own: Mapping[str, str]
    ) -> dict[str, Any]:
        metadata = {"name": component, **(body.get("metadata") or {})}
        metadata["labels"] = {
            **(metadata.get("labels") or {}),
            "app.oam.dev/name": self.application,
            "app.oam.dev/namespace": self.namespace,
            "app.oam.dev/component": component,
            **own,
        }
        annotations = {**(metadata.get("annotations") or {}), **self._passed_on()}
        if annotations:
            metadata["annotations"] = annotations
        if body.get("kind") != "Namespace":
            metadata.setdefault("namespace", self.namespace)
        return {**body, "metadata": metadata}

    def _passed_on(self) -> dict[str, str]:
        refused = _NOT_PASSED_ON | set(self.annotations.get(_FILTER, "").split(","))
        return {k: v for k, v in self.annotations.items() if k not in refused}
