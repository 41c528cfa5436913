"""What Argo CD and Flux meet in a cluster: owned objects without their keys, and no quarrel."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.client import PatchType
from tests.cluster import bodies
from tests.cluster.bed import Bed, Obj

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]

STEPS = [bodies.step(20), bodies.step(50), bodies.step(100)]
V1, V2 = ("init:v1", "shop:v1"), ("init:v1", "shop:v2")
APPLIER = "argocd-controller"
TRACKED: Obj = {
    "labels": {
        "app": "shop",
        "app.kubernetes.io/instance": "shop",
        "app.kubernetes.io/managed-by": "Helm",
        "app.oam.dev/name": "shop",
        "app.oam.dev/component": "shop",
        "kustomize.toolkit.fluxcd.io/name": "shop",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
        "helm.toolkit.fluxcd.io/name": "shop",
    },
    "annotations": {
        "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:demo/shop",
        "argocd.argoproj.io/sync-wave": "1",
        "meta.helm.sh/release-name": "shop",
        "team": "shop",
    },
}
"""Keys by which Argo CD, Flux, Helm and KubeVela find what is theirs, and prune the rest."""

TRACKING = {*TRACKED["labels"], *TRACKED["annotations"]} - {"app", "team"}
MADE = (
    Kind.DEPLOYMENT,
    Kind.SERVICE,
    Kind.INGRESS,
    Kind.HTTP_ROUTE,
    Kind.CONFIG_MAP,
    Kind.RELEASE_RECORD,
)


def tracked(body: Obj) -> Obj:
    """Return an object as a GitOps tool applies it."""
    metadata = {**body["metadata"], **copy.deepcopy(TRACKED)}
    if body["kind"] == "Rollout":
        metadata["annotations"].update(body["metadata"]["annotations"])
    return {**body, "metadata": metadata}


def manifests(init: str, image: str, *, routing: Obj, style: str) -> dict[Kind, Obj]:
    deployment = bodies.deployment(init=init, image=image)
    reference = [{"configMapRef": {"name": "settings"}}]
    deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"] = reference
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    return {
        Kind.CONFIG_MAP: tracked({**settings, "data": {"level": image}}),
        Kind.SERVICE: tracked(bodies.service()),
        Kind.HTTP_ROUTE: tracked(bodies.http_route()),
        Kind.INGRESS: tracked(bodies.ingress()),
        Kind.DEPLOYMENT: tracked(deployment),
        Kind.ROLLOUT: tracked(bodies.rollout(steps=STEPS, routing=routing, style=style)),
    }


async def applied(bed: Bed, kind: Kind, body: Obj, *, dry_run: bool = False) -> Obj:
    """Apply on the server's side, as Argo CD does, or ask what that would give."""
    resource = KNOWN[kind].resource
    options: dict[str, Any] = {"fieldManager": APPLIER, "force": "true"}
    if body["apiVersion"] != resource.api_version:
        body = {**body, "apiVersion": resource.api_version}
    path = resource.path(bed.namespace, body["metadata"]["name"])
    if dry_run:
        options["dryRun"] = "All"
    raw = await bed.client.request("PATCH", path, body, options, PatchType.APPLY)
    found: Obj = msgspec.json.decode(raw)
    return found


async def released(bed: Bed, *, routing: Obj, style: str) -> dict[Kind, Obj]:
    """Bring v2 to its first step; return the manifests of v2."""
    for body_of in manifests(*V1, routing=routing, style=style).items():
        await apply_one(bed, *body_of)
    await bed.until_proven("shop")
    stated = manifests(*V2, routing=routing, style=style)
    for body_of in stated.items():
        await apply_one(bed, *body_of)
    await bed.until_paused("shop", 1)
    return stated


async def apply_one(bed: Bed, kind: Kind, body: Obj) -> None:
    if kind is Kind.ROLLOUT:
        resource = {**body, "metadata": {**body["metadata"], "namespace": bed.namespace}}
        path = f"/apis/rollouts.kruise.io/v1alpha1/namespaces/{bed.namespace}/rollouts/shop"
        options = {"fieldManager": APPLIER, "force": "true"}
        await bed.client.request("PATCH", path, resource, options, PatchType.APPLY)
        return
    await applied(bed, kind, body)


@pytest.mark.parametrize("routing", [bodies.BY_ROUTE, bodies.BY_INGRESS], ids=["route", "ingress"])
async def test_what_the_controller_makes_is_owned_and_bears_no_tracking_key(
    bed: Bed, routing: Obj
) -> None:
    """Or a GitOps tool would prune it, or count it as its own."""
    stated = await released(bed, routing=routing, style="canary")
    users = {(kind, body["metadata"]["name"]) for kind, body in stated.items()}
    made = [
        (kind, obj)
        for kind in MADE
        for obj in await bed.items(kind)
        if (kind, obj["metadata"]["name"]) not in users
        and obj["metadata"]["name"] != "kube-root-ca.crt"
    ]
    expected = {Kind.DEPLOYMENT, Kind.SERVICE, Kind.CONFIG_MAP, Kind.RELEASE_RECORD}
    expected |= {Kind.INGRESS} if "ingress" in routing else set()
    assert {kind for kind, _ in made} == expected
    for kind, obj in made:
        metadata = obj["metadata"]
        found = {*metadata.get("labels", {}), *metadata.get("annotations", {})}
        assert found & TRACKING == set(), f"{kind} {metadata['name']}"
        assert metadata.get("ownerReferences"), f"{kind} {metadata['name']} has no owner"


def differences(live: Obj, wanted: Obj) -> set[str]:
    """Return the fields, two levels deep, in which an object differs from what is applied."""
    paths = set()
    for part in ("spec", "data"):
        ours, theirs = live.get(part, {}), wanted.get(part, {})
        paths |= {f"{part}.{key}" for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)}
    for part in ("labels", "annotations"):
        ours, theirs = live["metadata"].get(part, {}), wanted["metadata"].get(part, {})
        paths |= {f"{part}.{k}" for k in {*ours, *theirs} if ours.get(k) != theirs.get(k)}
    return paths


async def seen_by_the_applier(bed: Bed, stated: dict[Kind, Obj]) -> dict[Kind, set[str]]:
    """Return what a re-apply of the manifests would change, by kind."""
    found = {}
    for kind, body in stated.items():
        if kind is Kind.ROLLOUT:
            continue
        live = await bed.get(kind, body["metadata"]["name"])
        found[kind] = differences(live, await applied(bed, kind, body, dry_run=True))
    return {kind: paths for kind, paths in found.items() if paths}


def ignored() -> dict[Kind, set[str]]:
    """Return what the shipped Application of Argo CD tells it to ignore, by kind."""
    text = (ROOT / "gitops" / "argocd-application.yaml").read_text(encoding="utf-8")
    stated = yaml.safe_load(text)["spec"]["ignoreDifferences"]
    return {
        Kind(one["kind"]): {p.strip("/").replace("/", ".") for p in one["jsonPointers"]}
        for one in stated
    }


async def test_in_mid_release_an_applier_sees_what_the_shipped_settings_ignore(bed: Bed) -> None:
    """And nothing of the workload: admission answers a re-apply with what a release needs."""
    stated = await released(bed, routing=bodies.BY_ROUTE, style="partition")
    assert await seen_by_the_applier(bed, stated) == ignored()


async def test_with_an_ingress_the_service_is_all_that_it_sees(bed: Bed) -> None:
    stated = await released(bed, routing=bodies.BY_INGRESS, style="partition")
    assert await seen_by_the_applier(bed, stated) == {Kind.SERVICE: ignored()[Kind.SERVICE]}


async def test_of_a_rejected_version_it_sees_nothing_and_the_old_config_stays(bed: Bed) -> None:
    """Template and config are answered by admission, until the next version is released."""
    stated = await released(bed, routing=bodies.BY_ROUTE, style="partition")
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.ROLLBACK: ""}}})
    await bed.until_phase("shop", "Healthy")
    for kind in (Kind.DEPLOYMENT, Kind.CONFIG_MAP):
        await applied(bed, kind, stated[kind])
    assert (await bed.get(Kind.CONFIG_MAP, "settings"))["data"] == {"level": V1[1]}
    assert await seen_by_the_applier(bed, stated) == {}

    # The config of the next version is that of the rejected one; it comes with the release.
    following = manifests("init:v1", "shop:v3", routing=bodies.BY_ROUTE, style="partition")
    await applied(bed, Kind.DEPLOYMENT, following[Kind.DEPLOYMENT])
    await bed.until_paused("shop", 1)
    settings = await bed.get(Kind.CONFIG_MAP, "settings")
    assert settings["data"] == {"level": V2[1]}
    assert keys.WITHHELD_CONFIG not in settings["metadata"]["labels"]


async def test_an_annotation_approves_the_step_that_it_names_in_the_name_of_who_set_it(
    bed: Bed,
) -> None:
    await released(bed, routing=bodies.BY_INGRESS, style="partition")
    canary = (await bed.get(Kind.ROLLOUT, "shop"))["status"]["canaryStatus"]
    named = f"{canary['canaryRevision']}/1"
    forged = {keys.APPROVE: named, keys.APPROVED_BY: "the boss"}
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": forged}})
    await bed.until_paused("shop", 2)
    (record,) = (r for r in await bed.items(Kind.RELEASE_RECORD) if _is_open(r))
    (approval,) = record["status"]["attempts"][-1]["approvals"]
    assert (approval["step"], approval["by"]) == (1, "tandem-user")
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.APPROVE: named}}})
    await bed.until(Kind.ROLLOUT, "shop", lambda o: keys.APPROVE not in _annotations(o))
    await bed.until_paused("shop", 2)


def _is_open(record: Obj) -> bool:
    return "outcome" not in record["status"]["attempts"][-1]


def _annotations(obj: Obj | None) -> Obj:
    found: Obj = ((obj or {}).get("metadata") or {}).get("annotations", {})
    return found
