"""What a record says of a release before it happens: its intent, and its circumstances.

The intent (`spec`) follows from the workload and its template alone, so that writing it
twice writes the same. What may be another when the same template is released again is
said by each attempt: `Circumstances`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tandem_controller import keys
from tandem_controller.api.fingerprint import template_fingerprint, without_template_hash
from tandem_controller.api.record import Circumstances, Originals, ReleaseRecord
from tandem_controller.api.workload import Deployment
from tandem_controller.decide.classify import parts
from tandem_controller.decide.history.digests import images
from tandem_controller.snapshot import Snapshot

_ASSIGNED = ("clusterIP", "clusterIPs")
"""Fields of a Service that the API server fills in; another cluster has others."""


def spec_of(
    snapshot: Snapshot, deployment: Deployment, template: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the `spec` of the record of a template."""
    plain = without_template_hash(template)
    found = parts(plain, snapshot.policy_spec.containers)
    return {
        "workload": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": deployment.metadata.name,
            "uid": deployment.metadata.uid,
        },
        "fingerprint": template_fingerprint(plain),
        "template": plain,
        "businessFingerprint": found.business,
        "platformFingerprint": found.platform,
        "images": list(msgspec.to_builtins(images(plain))),
        **_component(deployment),
    }


def circumstances_of(
    snapshot: Snapshot,
    deployment: Deployment,
    originals: Originals,
    stable: ReleaseRecord | None = None,
) -> Circumstances:
    """Return what holds now, at the begin of an attempt that returns to `stable`."""
    return Circumstances(
        stable=stable.metadata.name if stable else "",
        application_revision=application_revision(deployment),
        publish_version=deployment.metadata.annotations.get(keys.PUBLISH_VERSION, ""),
        replicas=deployment.spec.replicas,
        plan=msgspec.to_builtins(snapshot.strategy),
        policy=_whole(snapshot.policy_spec),
        services=_services(snapshot, originals),
    )


def application_revision(deployment: Deployment) -> str:
    """Return the ApplicationRevision that stated a workload last; empty without KubeVela."""
    return deployment.metadata.labels.get(keys.OAM_REVISION, "")


def _component(deployment: Deployment) -> dict[str, str]:
    labels = deployment.metadata.labels
    found = {
        "application": labels.get(keys.OAM_NAME, ""),
        "component": labels.get(keys.OAM_COMPONENT, ""),
        "componentDefinition": labels.get(keys.DEFINITION_TYPE, "").partition("@")[0],
        "componentVersion": deployment.metadata.annotations.get(keys.COMPONENT_VERSION, ""),
    }
    return {key: value for key, value in found.items() if value}


def _services(snapshot: Snapshot, originals: Originals) -> dict[str, dict[str, Any]]:
    """Return the specs of the user's Services, with the selector of before the release."""
    service = snapshot.traffic.stable_service
    if service is None:
        return {}
    name = service.metadata.name
    spec = {key: value for key, value in service.spec.items() if key not in _ASSIGNED}
    if (selector := originals.services.get(name)) is not None:
        spec["selector"] = selector
    return {name: spec}


def _whole(struct: msgspec.Struct) -> dict[str, Any]:
    """Return a struct as it is on the wire, defaults included: another version has others."""
    return {
        field.encode_name: _whole(value)
        if isinstance(value := getattr(struct, field.name), msgspec.Struct)
        else msgspec.to_builtins(value)
        for field in msgspec.structs.fields(struct)
    }
