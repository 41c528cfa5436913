"""Each check of the doctor finds its fault, says the way out, and is silent where all is well."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from tandem_cli.doctor.checks import examine
from tandem_cli.doctor.finding import Cluster, Severity
from tandem_cli.doctor.look import caches_of
from tandem_cli.doctor.releases import withheld_long
from tandem_controller import keys
from tandem_controller.api import kruise
from tandem_controller.effect import Kind
from tests.cli import holding
from tests.doctor import clusters
from tests.doctor.clusters import NOW, application, deployment, named, rollout, well

MARK = '{"rolloutName":"shop"}'
PAUSED = {keys.IN_PROGRESSING: MARK}


def _found(cluster: Cluster) -> set[tuple[str, str]]:
    return {(f.check, f.object) for f in examine(cluster)}


def test_where_all_is_well_nothing_is_found() -> None:
    assert examine(well()) == []


def _foreign_crd() -> Cluster:
    name = "rollouts.rollouts.kruise.io"
    live = well().one("CustomResourceDefinition", name)
    assert live is not None
    theirs = copy.deepcopy(live)
    for version in theirs["spec"]["versions"]:
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
        status["properties"]["canaryStatus"]["properties"].pop("approvedBy")
    return clusters.swapped("CustomResourceDefinition", theirs)


def _older_crd() -> Cluster:
    name = "releaserecords.tandem.oam.dev"
    live = well().one("CustomResourceDefinition", name)
    assert live is not None
    older = copy.deepcopy(live)
    schema = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["status"]["properties"].pop("hold")
    return clusters.swapped("CustomResourceDefinition", older)


def _dead_conversion() -> Cluster:
    name = "batchreleases.rollouts.kruise.io"
    service = {"namespace": "kruise-rollout", "name": "gone"}
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}}
    return well(
        CustomResourceDefinition=[
            named(name, "CustomResourceDefinition", spec={"versions": [], "conversion": conversion})
        ]
    )


def _terminating() -> Cluster:
    message = "conversion webhook for rollouts.kruise.io/v1beta1, Kind=BatchRelease failed"
    status = {"phase": "Terminating", "conditions": [{"type": "X", "message": message}]}
    return well(Namespace=[named("old", "Namespace", status=status)])


def _kruise(replicas: int = 2, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    body = deployment(kruise.CONTROLLER, "kruise-rollout", **fields)
    body["spec"]["replicas"] = replicas
    return body


def _batch() -> dict[str, Any]:
    body = named("shop", "BatchRelease", "demo")
    body["metadata"]["finalizers"] = [kruise.BATCH_RELEASE_FINALIZER]
    return body


def _vela_core() -> dict[str, Any]:
    labels = {"controller.oam.dev/name": "vela-core"}
    body = deployment("kubevela-vela-core", "vela-system", labels=labels)
    container = {"name": "core", "args": ["--application-revision-limit=2"]}
    body["spec"]["template"] = {"spec": {"containers": [container]}}
    return body


def _old_trait() -> dict[str, Any]:
    schematic = {"cue": {"template": 'outputs: r: apiVersion: "standard.oam.dev/v1alpha1"'}}
    return named("rollout", "TraitDefinition", "vela-system", spec={"schematic": schematic})


CASES: dict[str, tuple[Callable[[], Cluster], set[tuple[str, str]]]] = {
    "Kruise runs": (
        lambda: well(Deployment=[_kruise()]),
        {("other-controller", "Kruise Rollouts")},
    ),
    "Kruise's webhook is registered": (
        lambda: well(
            MutatingWebhookConfiguration=[named(kruise.MUTATING, "MutatingWebhookConfiguration")]
        ),
        {("other-controller", "Kruise Rollouts")},
    ),
    "Kruise's Lease is held": (
        lambda: well(Lease=[clusters.lease(kruise.LEASE, "kruise-rollout")]),
        {("other-controller", "Kruise Rollouts")},
    ),
    "Kruise was stopped and its Lease ran out": (
        lambda: well(
            Deployment=[_kruise(0)],
            Lease=[clusters.lease(kruise.LEASE, "kruise-rollout", age=timedelta(minutes=1))],
        ),
        set(),
    ),
    "no Lease": (
        lambda: clusters.without("Lease", "tandem-controller"),
        {("controller", "Lease vela-system/tandem-controller")},
    ),
    "a Lease that ran out": (
        lambda: clusters.swapped(
            "Lease",
            clusters.lease("tandem-controller", "vela-system", age=timedelta(minutes=1)),
        ),
        {("controller", "Lease vela-system/tandem-controller")},
    ),
    "another version": (
        lambda: clusters.swapped("Deployment", clusters.tandem("0.2.0")),
        {("version-skew", "Deployment vela-system/tandem")},
    ),
    "a version without a number": (
        lambda: clusters.swapped("Deployment", clusters.tandem("dev")),
        set(),
    ),
    "a CRD is missing": (
        lambda: clusters.without("CustomResourceDefinition", "releasepolicies.tandem.oam.dev"),
        {("crds", "CustomResourceDefinition releasepolicies.tandem.oam.dev")},
    ),
    "Kruise's CRD": (
        _foreign_crd,
        {("crds", "CustomResourceDefinition rollouts.rollouts.kruise.io")},
    ),
    "an older CRD": (
        _older_crd,
        {("crds", "CustomResourceDefinition releaserecords.tandem.oam.dev")},
    ),
    "a dead conversion": (
        _dead_conversion,
        {("conversion", "CustomResourceDefinition batchreleases.rollouts.kruise.io")},
    ),
    "a namespace that stays": (_terminating, {("terminating", "Namespace old")}),
    "no webhook": (
        lambda: clusters.without("MutatingWebhookConfiguration", "tandem"),
        {("webhooks", "MutatingWebhookConfiguration tandem")},
    ),
    "a webhook of another authority": (
        lambda: clusters.swapped(
            "ValidatingWebhookConfiguration",
            clusters.configuration("ValidatingWebhookConfiguration", authority="eA=="),
        ),
        {("webhooks", "ValidatingWebhookConfiguration tandem")},
    ),
    "webhooks that nobody answers": (
        lambda: clusters.swapped("EndpointSlice", clusters.endpoints(ready=False)),
        {
            ("webhooks", "MutatingWebhookConfiguration tandem"),
            ("webhooks", "ValidatingWebhookConfiguration tandem"),
        },
    ),
    "no policy": (
        lambda: clusters.without("ValidatingAdmissionPolicy", "tandem-workload"),
        {("policies", "ValidatingAdmissionPolicy tandem-workload")},
    ),
    "an old policy": (
        lambda: well(ValidatingAdmissionPolicy=[named("tandem-hold", "ValidatingAdmissionPolicy")]),
        {("policies", "ValidatingAdmissionPolicy tandem-hold")},
    ),
    "a mutating policy that is not installed": (
        lambda: clusters.without("MutatingAdmissionPolicy", "tandem-workload"),
        {("mutating-policy", "MutatingAdmissionPolicy tandem-workload")},
    ),
    "left paused": (
        lambda: well(Deployment=[deployment("shop", paused=True, annotations=PAUSED)]),
        {("left-paused", "Deployment demo/shop")},
    ),
    "paused by a release": (
        lambda: well(
            Deployment=[deployment("shop", paused=True, annotations=PAUSED)],
            Rollout=[rollout("shop")],
        ),
        set(),
    ),
    "paused by its owner": (lambda: well(Deployment=[deployment("shop", paused=True)]), set()),
    "a rejection without a Rollout": (
        lambda: well(Deployment=[deployment("shop", annotations={keys.REJECTED: "v2"})]),
        {("stray-rejection", "Deployment demo/shop")},
    ),
    "an unfinished release without a Rollout": (
        lambda: well(Deployment=[deployment("shop", annotations={keys.UNFINISHED: "shop"})]),
        {("stray-unfinished", "Deployment demo/shop")},
    ),
    "two Rollouts": (
        lambda: well(Rollout=[rollout("a"), rollout("b")]),
        {("two-rollouts", "Rollout demo/b")},
    ),
    "a finalizer that nobody takes away": (
        lambda: well(BatchRelease=[_batch()]),
        {("batch-finalizer", "BatchRelease demo/shop")},
    ),
    "the catalog's older trait": (
        lambda: well(TraitDefinition=[_old_trait()]),
        {("trait-clash", "TraitDefinition rollout")},
    ),
    "no publishVersion": (
        lambda: well(Application=[application("shop", "rollout", published=False)]),
        {("no-publish-version", "Application demo/shop")},
    ),
    "no publishVersion, and no trait": (
        lambda: well(Application=[application("shop", published=False)]),
        set(),
    ),
    "an update strategy beside the trait": (
        lambda: well(Application=[application("shop", "rollout", "k8s-update-strategy")]),
        {("same-fields", "Application demo/shop")},
    ),
    "an autoscaler and replicas": (
        lambda: well(Application=[application("shop", "rollout@v1.2.0", "hpa", replicas=3)]),
        {("same-fields", "Application demo/shop")},
    ),
    "an autoscaler and a scaler": (
        lambda: well(Application=[application("shop", "rollout", "hpa", "scaler")]),
        {("same-fields", "Application demo/shop")},
    ),
    "a scaler alone": (
        lambda: well(Application=[application("shop", "rollout", "scaler")]),
        set(),
    ),
    "few revisions": (
        lambda: well(Deployment=[_vela_core()]),
        {("revision-limits", "Deployment vela-system/kubevela-vela-core")},
    ),
}


@pytest.mark.parametrize(("make", "found"), CASES.values(), ids=CASES)
def test_a_check_finds_its_fault_and_nothing_else(
    make: Callable[[], Cluster], found: set[tuple[str, str]]
) -> None:
    assert _found(make()) == found


def test_an_expired_certificate_is_found() -> None:
    later = clusters.cluster(
        {kind: list(items) for kind, items in well().objects.items() if kind != "Lease"},
        now=NOW + timedelta(days=3650),
        unread={"Lease": "no"},
    )
    assert {f.check for f in examine(later)} == {"certificate"}


def test_a_disabled_older_rollout_is_the_one_to_delete() -> None:
    (found,) = examine(well(Rollout=[rollout("a", disabled=True), rollout("b")]))
    assert found.remedy == "kubectl -n demo delete rollout a"
    assert "is disabled and still keeps" in found.what


def test_what_may_not_be_read_is_no_finding() -> None:
    kinds = [kind for kind in well().objects if kind != "Application"]
    blind = clusters.cluster({}, unread=dict.fromkeys([*kinds, "Rollout"], "forbidden"))
    assert examine(blind) == []


def test_the_way_out_of_a_left_over_is_the_one_command() -> None:
    (found,) = examine(well(Deployment=[deployment("shop", paused=True, annotations=PAUSED)]))
    assert found.severity is Severity.PROBLEM
    assert found.remedy == "kubectl -n demo rollout resume deployment/shop"


@pytest.mark.parametrize(("days", "found"), [(6, []), (9, ["tandem accept shop -n demo"])])
def test_a_version_that_is_held_for_long_is_told(days: int, found: list[str]) -> None:
    stable = holding.record("v1", "v1", holding.attempt(0, "Completed"))
    waiting = holding.record("v2", "v1", held=holding.hold(1))
    body = deployment("shop", uid=holding.uid())
    body["spec"]["template"] = holding.template("v1", "v1")
    cluster = clusters.cluster(
        {k: list(v) for k, v in well().objects.items()},
        now=holding.at(0) + timedelta(days=days),
        unread={"Lease": "no"},
    )
    caches = caches_of({"Deployment": (body,), "Rollout": (rollout("shop"),)})
    labels = {keys.RECORD_ROLLOUT: "shop"}
    caches.stores[Kind.RELEASE_RECORD].replace_all(
        [
            structs.replace(r, metadata=structs.replace(r.metadata, labels=labels))
            for r in (stable, waiting)
        ]
    )
    found_now = list(withheld_long(replace(cluster, caches=caches)))
    assert [f.remedy for f in found_now] == found
