"""`--revert`: everything as it was, from what was remembered, and Kruise Rollouts started last.

A release that Tandem took over in flight is given back where it still stands at the place where
it was taken over. One that ended since is at rest for Kruise, too. One that moved cannot be put
into Kruise's words: it has to end first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from tandem_cli.cluster_objects import Obj, get, key_of
from tandem_cli.migration import canary, record, writing
from tandem_cli.migration.apply import RECORDS, Say
from tandem_cli.migration.crds import ROLLOUTS, storage_version
from tandem_cli.migration.inventory import (
    ADMISSION,
    BATCH_RELEASES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    MUTATING,
    RECORD_NAME,
    VALIDATING,
    Inventory,
    observe,
)
from tandem_cli.session import Refusal
from tandem_controller.api import kruise
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.install import guard_resource
from tandem_controller.kube.client import Client
from tandem_controller.snapshot import canary_name

STEPS = {
    "guard": "take away Tandem's admission policies and webhooks",
    "workloads": "give the releases in flight back at the place where they were taken over",
    "store": "rewrite all Rollouts as they were stored and put Kruise's CRD back",
    "webhooks": "put Kruise's webhooks back",
    "start": "scale Kruise Rollouts to what it was",
}
_POLICIES = tuple(
    guard_resource({"apiVersion": f"{ADMISSION}/{version}", "kind": f"{kind}AdmissionPolicy{part}"})
    for kind, versions in (("Validating", ("v1",)), ("Mutating", ("v1", "v1beta1")))
    for version in versions
    for part in ("Binding", "")
)

Step = Callable[[Client, record.Record], Awaitable[None]]


async def revert(client: Client, namespace: str, say: Say) -> None:
    """Put everything back; a killed call is gone on with.

    Raises:
        Refusal: where there is nothing to revert, or a release has moved since.
    """
    for number, (key, step) in enumerate(_STEPS.items(), start=1):
        known = await _known(client, namespace)
        if known.done(record.UNDONE + key):
            continue
        say(f"{number}/{len(_STEPS)} {STEPS[key]}")
        await step(client, known)
        await record.put(client, namespace, record.UNDONE + key)
    await record.forget(client, namespace)


async def _known(client: Client, namespace: str) -> record.Record:
    found = await get(client, CONFIG_MAPS, RECORD_NAME, namespace)
    if found is None:
        raise Refusal(
            f"there is nothing to revert: ConfigMap {namespace}/{RECORD_NAME} does not exist"
        )
    return record.Record(namespace, found.get("data") or {})


def refusals(inventory: Inventory) -> Iterator[str]:
    """Say what has to happen before a revert."""
    known = record.read(inventory)
    if known is None:
        yield f"there is no ConfigMap {inventory.namespace}/{RECORD_NAME}, so nothing to revert"
        return
    if inventory.tandem_lease and kruise.is_held(inventory.tandem_lease, inventory.now):
        yield (
            f"Tandem's controller runs in namespace {inventory.namespace!r}; scale it to 0 (or "
            "disable the addon) and run the command again when its Lease has run out"
        )
    if known.done(f"{record.UNDONE}workloads"):
        return
    given_back = {f"{t['namespace']}/{t['name']}": t for t in known.takeovers}
    for rollout in inventory.rollouts:
        if (rollout.get("status") or {}).get("phase") != "Progressing":
            continue
        takeover = given_back.get(key_of(rollout))
        if known.done(f"{record.DONE}releases") and (
            takeover is None or not _same_place(rollout, takeover)
        ):
            yield (
                f"Rollout {key_of(rollout)} is in the middle of a release that Kruise does not "
                "know; finish it or roll it back first"
            )


def _same_place(rollout: Obj, takeover: Obj) -> bool:
    """Whether a release stands where it was taken over: same version, same step, no approval."""
    return _place(rollout.get("status") or {}) in (
        _place(takeover["status"]),
        _place(takeover["before"]["status"]),
    )


def _place(status: Obj) -> tuple[str, int]:
    canary_status = status.get("canaryStatus") or {}
    return canary_status.get("canaryRevision", ""), canary_status.get("currentStepIndex", 0)


async def _unguard(client: Client, known: record.Record) -> None:
    del known
    for resource in _POLICIES:
        await writing.remove(client, resource, "tandem-workload")
    for resource in (MUTATING, VALIDATING):
        await writing.remove(client, resource, "tandem")


async def _give_back(client: Client, known: record.Record) -> None:
    if not known.done(f"{record.DONE}releases") and not known.done(f"{record.DONE}workloads"):
        return
    inventory = await observe(client, known.namespace)
    live = {key_of(o): o for o in inventory.rollouts}
    for one in known.takeovers:
        rollout = live.get(f"{one['namespace']}/{one['name']}")
        if rollout is not None and _same_place(rollout, one):
            await _one_back(client, one)
        else:
            # Its release ended: a BatchRelease left behind would begin it again.
            await writing.remove(client, BATCH_RELEASES, one["name"], one["namespace"])


async def _one_back(client: Client, one: Obj) -> None:
    namespace = one["namespace"]
    workload = await get(client, DEPLOYMENTS, one["workload"], namespace)
    if workload is None or not _stated(workload, one):
        raise Refusal(
            f"Deployment {namespace}/{one['workload']} states another template than when it was "
            "taken over; put it back, then run the command again"
        )
    if one["canary"]:
        name = canary_name(one["workload"])
        await canary.hand_over(client, namespace, name, one["canary"])
    before = one["before"]
    metadata = {
        "annotations": {k: before["annotations"].get(k) for k in _MARKS},
        "labels": {k: before["labels"].get(k) for k in (kruise.ADVANCED_DEPLOYMENT,)},
    }
    strategy = {"rollingUpdate": None, **before["strategy"]}
    body = {"metadata": metadata, "spec": {"strategy": strategy, "paused": True}}
    await writing.patch(client, DEPLOYMENTS, one["workload"], namespace, body)
    await writing.set_status(client, ROLLOUTS["v1alpha1"], one["name"], namespace, before["status"])
    for entry in one["records"]:
        await writing.remove(client, RECORDS, entry["body"]["metadata"]["name"], namespace)


_MARKS = (kruise.DEPLOYMENT_STRATEGY, kruise.EXTRA_STATUS, kruise.CONTROL_INFO)


def _stated(workload: Obj, one: Obj) -> bool:
    spec = one["records"][1]["body"]["spec"]
    return template_fingerprint(workload["spec"]["template"]) == str(spec["fingerprint"])


async def _store(client: Client, known: record.Record) -> None:
    crd = known.installation["rolloutCrd"]
    if crd is None or not known.done(f"{record.DONE}validating"):
        return
    await writing.store_as(client, storage_version(crd))
    await writing.replace_crd(client, crd, answered=False)
    if batches := known.installation["batchCrd"]:
        await writing.replace_crd(client, batches, answered=False)


async def _webhooks(client: Client, known: record.Record) -> None:
    for key, resource in (("mutating", MUTATING), ("validating", VALIDATING)):
        if body := known.installation[key]:
            await writing.ensure(client, resource, body)


async def _start(client: Client, known: record.Record) -> None:
    for one in known.installation["deployments"]:
        body = {"spec": {"replicas": one["replicas"]}}
        await writing.patch(client, DEPLOYMENTS, one["name"], one["namespace"], body)


_STEPS: dict[str, Step] = {
    "guard": _unguard,
    "workloads": _give_back,
    "store": _store,
    "webhooks": _webhooks,
    "start": _start,
}
