"""Checks of Tandem's own parts: controller, CRDs, webhooks, policies, certificate."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from tandem_cli.cluster_objects import Obj
from tandem_cli.doctor.finding import Cluster, Finding, Severity
from tandem_cli.migration.crds import is_ours
from tandem_controller import names
from tandem_controller.api import kruise
from tandem_controller.api.crd import ROLLOUT_CRD, crds
from tandem_controller.webhooks.certificates import end_of

OLD_POLICIES = ("tandem-hold", "tandem-take-over")
POLICY = "tandem-workload"
POLICY_KINDS = (
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
)
CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
ENABLE = "vela addon enable tandem"
_APP_LABEL = "app.kubernetes.io/name"


def problem(check: str, obj: str, what: str, remedy: str) -> Finding:
    """Return a finding that something is to be done about."""
    return Finding(check=check, severity=Severity.PROBLEM, object=obj, what=what, remedy=remedy)


def info(check: str, obj: str, what: str, remedy: str) -> Finding:
    """Return a finding that is only to be known."""
    return Finding(check=check, severity=Severity.INFO, object=obj, what=what, remedy=remedy)


def other_controller(cluster: Cluster) -> Iterator[Finding]:
    """Two controllers of one API act against each other (DESIGN §2.1)."""
    configurations = [c for kind in CONFIGURATIONS for c in cluster.of(kind)]
    signs = kruise.signs_of_life(
        cluster.of("Deployment"), cluster.of("Lease"), configurations, cluster.now
    )
    for sign in signs:
        yield problem(
            "other-controller",
            "Kruise Rollouts",
            f"another controller of the Rollout API is alive: {sign}",
            "tandem migrate kruise --plan",
        )


def controller(cluster: Cluster) -> Iterator[Finding]:
    """Nothing moves without a replica that holds the Lease."""
    if not cluster.known("Lease"):
        return
    lease = cluster.one("Lease", names.LEASE, cluster.namespace)
    if lease is not None and kruise.is_held(lease, cluster.now):
        return
    what = "has run out" if lease else "does not exist"
    yield problem(
        "controller",
        f"Lease {cluster.namespace}/{names.LEASE}",
        f"the Lease {what}: no controller acts, so releases stand where they are",
        f"kubectl -n {cluster.namespace} get deployment,pods -l {_APP_LABEL}=tandem",
    )


def version_skew(cluster: Cluster) -> Iterator[Finding]:
    """A command and a controller of two versions may not mean the same."""
    for deployment in cluster.of("Deployment"):
        metadata = deployment["metadata"]
        if (metadata.get("labels") or {}).get(_APP_LABEL) != "tandem":
            continue
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            tag = str(container.get("image", "")).partition("@")[0].rpartition(":")[2]
            if re.fullmatch(r"v?\d+\.\d+\.\d+", tag) and tag.lstrip("v") != cluster.cli_version:
                yield problem(
                    "version-skew",
                    f"Deployment {metadata['namespace']}/{metadata['name']}",
                    f"container {container['name']!r} runs {tag}, this command is "
                    f"{cluster.cli_version}",
                    "vela addon upgrade tandem, or use the command of the controller's version",
                )


def definitions(cluster: Cluster) -> Iterator[Finding]:
    """CRDs that are missing, somebody else's, or of another version."""
    if not cluster.known("CustomResourceDefinition"):
        return
    for name, wanted in crds().items():
        live = cluster.one("CustomResourceDefinition", name)
        obj = f"CustomResourceDefinition {name}"
        if live is None:
            yield problem("crds", obj, "it is not installed", ENABLE)
        elif name == ROLLOUT_CRD and not is_ours(live):
            yield problem(
                "crds",
                obj,
                "it is Kruise's: v1alpha1 needs its conversion webhook, and fields are missing",
                "tandem migrate kruise --plan",
            )
        elif not _covers(live, wanted):
            yield problem(
                "crds",
                obj,
                "it lacks fields that this version writes; the API server drops them",
                "vela addon upgrade tandem",
            )


def _covers(live: Obj, wanted: Obj) -> bool:
    """Whether each field of ours is in the live CRD; more do no harm."""
    have = {v["name"]: v.get("schema") for v in live["spec"]["versions"]}
    return all(_within(v["schema"], have.get(v["name"])) for v in wanted["spec"]["versions"])


def _within(wanted: Any, have: Any) -> bool:  # noqa: ANN401 - part of a schema
    if not isinstance(wanted, dict):
        return True
    if not isinstance(have, dict):
        return False
    return all(
        _within(value, have.get(key))
        for key, value in wanted.items()
        if isinstance(value, dict) and value
    )


def conversion(cluster: Cluster) -> Iterator[Finding]:
    """A dead conversion keeps namespaces from being deleted: their content cannot be listed."""
    for name in (ROLLOUT_CRD, "batchreleases.rollouts.kruise.io"):
        crd = cluster.one("CustomResourceDefinition", name)
        webhook = ((crd or {}).get("spec", {}).get("conversion") or {}).get("webhook") or {}
        service = (webhook.get("clientConfig") or {}).get("service")
        if service and _dead(cluster, service):
            yield problem(
                "conversion",
                f"CustomResourceDefinition {name}",
                f"{_address(service)} has no ready endpoint, so objects cannot be converted; "
                "namespaces with such objects stay Terminating",
                f"kubectl patch crd {name} --type merge "
                '-p \'{"spec":{"conversion":{"strategy":"None","webhook":null}}}\' '
                "and have only the stored version served, or start the webhook",
            )


def terminating(cluster: Cluster) -> Iterator[Finding]:
    """Namespaces that cannot be deleted because of this API."""
    for namespace in cluster.of("Namespace"):
        conditions = (namespace.get("status") or {}).get("conditions") or ()
        told = [c["message"] for c in conditions if "kruise.io" in str(c.get("message", ""))]
        if (namespace.get("status") or {}).get("phase") == "Terminating" and told:
            name = namespace["metadata"]["name"]
            yield problem(
                "terminating",
                f"Namespace {name}",
                f"it cannot be deleted: {told[0]}",
                f"kubectl -n {name} get rollouts,batchreleases -o name, and see check conversion",
            )


def webhooks(cluster: Cluster) -> Iterator[Finding]:
    """Webhooks that are missing, that nobody answers, or whose authority is another one."""
    authority = _secret(cluster).get("ca.crt", "")
    for kind in CONFIGURATIONS:
        if not cluster.known(kind):
            continue
        found = cluster.one(kind, "tandem")
        obj = f"{kind} tandem"
        if found is None:
            yield problem(
                "webhooks", obj, "it is missing: admission does not hold or validate", ENABLE
            )
            continue
        configs = [w["clientConfig"] for w in found.get("webhooks") or ()]
        services = [c["service"] for c in configs if c.get("service")]
        if services and _dead(cluster, services[0]):
            yield problem(
                "webhooks",
                obj,
                f"{_address(services[0])} has no ready endpoint, so nobody answers admission",
                f"kubectl -n {services[0]['namespace']} get pods -l {_APP_LABEL}=tandem",
            )
        if authority and any(c.get("caBundle") != authority for c in configs):
            yield problem(
                "webhooks",
                obj,
                "it trusts another authority than Secret "
                f"{cluster.namespace}/{names.WEBHOOK_SECRET} holds",
                f"kubectl -n {cluster.namespace} rollout restart deployment tandem",
            )


def policies(cluster: Cluster) -> Iterator[Finding]:
    """What protects workloads inside the API server."""
    for kind in POLICY_KINDS[:2]:
        if cluster.known(kind) and cluster.one(kind, POLICY) is None:
            yield problem(
                "policies",
                f"{kind} {POLICY}",
                "it is missing: while no Tandem runs, a new template is released at once",
                ENABLE,
            )
    for kind in POLICY_KINDS:
        for name in OLD_POLICIES:
            if cluster.one(kind, name) is not None:
                yield problem(
                    "policies",
                    f"{kind} {name}",
                    "it is of an earlier build and costs at each update of a Deployment",
                    f"kubectl delete {kind.lower()} {name}",
                )


def mutating_policies(cluster: Cluster) -> Iterator[Finding]:
    """With it a new template is held while Tandem is down; without it is refused."""
    kind = POLICY_KINDS[2]
    if kind in cluster.unserved:
        yield info(
            "mutating-policy",
            kind,
            "this API server does not serve it: while Tandem is down, new templates are refused "
            "instead of held",
            "Kubernetes 1.36 serves it; 1.34 behind its feature gate",
        )
    elif cluster.known(kind) and cluster.one(kind, POLICY) is None:
        yield info(
            "mutating-policy",
            f"{kind} {POLICY}",
            "it could be installed here and is not: while Tandem is down, new templates are "
            "refused instead of held",
            f"{ENABLE} mutatingAdmissionPolicies=true",
        )


def certificate(cluster: Cluster) -> Iterator[Finding]:
    """An expired certificate stops admission and conversion."""
    for key in ("ca.crt", "tls.crt"):
        encoded = _secret(cluster).get(key)
        ends = end_of(base64.b64decode(encoded)) if encoded else None
        if ends is not None and ends <= cluster.now:
            yield problem(
                "certificate",
                f"Secret {cluster.namespace}/{names.WEBHOOK_SECRET}",
                f"{key} ended on {ends:%Y-%m-%d}",
                f"kubectl -n {cluster.namespace} rollout restart deployment tandem",
            )


def _secret(cluster: Cluster) -> dict[str, str]:
    found = cluster.one("Secret", names.WEBHOOK_SECRET, cluster.namespace)
    return dict((found or {}).get("data") or {})


def _dead(cluster: Cluster, service: Obj) -> bool:
    """Whether no endpoint of a Service is ready; unknown counts as alive."""
    if not cluster.known("EndpointSlice"):
        return False
    ready = [
        endpoint
        for piece in cluster.of("EndpointSlice")
        if piece["metadata"].get("namespace") == service["namespace"]
        and (piece["metadata"].get("labels") or {}).get("kubernetes.io/service-name")
        == service["name"]
        for endpoint in piece.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
    ]
    return not ready


def _address(service: Obj) -> str:
    return f"Service {service['namespace']}/{service['name']}"
