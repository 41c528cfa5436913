"""`--apply`: the steps in order, each marked when it is done.

Order: the old controller stops first, and its webhooks, which then refuse every change, go last
that protect something. So nothing that moves pods passes unguarded in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tandem_cli.cluster_objects import Obj, get, key_of
from tandem_cli.migration import canary, plan, record, writing
from tandem_cli.migration.crds import (
    BATCH_RELEASE_CRD,
    ROLLOUTS,
    without_conversion,
)
from tandem_cli.migration.inventory import (
    BATCH_RELEASES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    MUTATING,
    VALIDATING,
    Inventory,
    observe,
)
from tandem_cli.migration.judge import Fate, Judgement
from tandem_cli.session import Refusal
from tandem_controller.api import kruise
from tandem_controller.effect import Kind
from tandem_controller.install import CRD, install_crds, install_policies
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.webhooks.registration import own_user

STOP_SECONDS = 120.0
_LOOK_AGAIN_SECONDS = 0.5
SERVICES, INGRESSES = (WATCHED[kind].resource for kind in (Kind.SERVICE, Kind.INGRESS))
RECORDS = WATCHED[Kind.RELEASE_RECORD].resource

Say = Callable[[str], None]
Step = Callable[[Client, str], Awaitable[None]]


async def apply(client: Client, namespace: str, say: Say) -> None:
    """Do every step that is not done; a killed call is gone on with.

    Raises:
        Refusal: where a Rollout has begun to move since it was judged; everything is as before.
        ApiError: where the API server refuses; the same command goes on there.
    """
    for number, (key, step) in enumerate(_STEPS.items(), start=1):
        known = await _record(client, namespace)
        if known is not None and known.done(record.DONE + key):
            continue
        say(f"{number}/{len(_STEPS)} {plan.STEPS[key]}")
        await step(client, namespace)
        await record.put(client, namespace, record.DONE + key)


async def _record(client: Client, namespace: str) -> record.Record | None:
    found = await get(client, CONFIG_MAPS, "tandem-migration-kruise", namespace)
    return record.Record(namespace, found.get("data") or {}) if found else None


async def _known(client: Client, namespace: str) -> record.Record:
    found = await _record(client, namespace)
    if found is None:
        raise Refusal("the record of the migration was deleted; nothing more is changed")
    return found


async def _remember(client: Client, namespace: str) -> None:
    await record.begin(client, await observe(client, namespace))


async def _stop(client: Client, namespace: str) -> None:
    known = await _known(client, namespace)
    for one in known.installation["deployments"]:
        body = {"spec": {"replicas": 0}}
        await writing.patch(client, DEPLOYMENTS, one["name"], one["namespace"], body)
    await _until_dead(client, namespace)


async def _until_dead(client: Client, namespace: str) -> None:
    """Wait until no pod is left and nobody renews the Lease, which has to run out."""
    clock = asyncio.get_running_loop().time
    until = clock() + STOP_SECONDS
    while signs := _signs(await observe(client, namespace)):
        if clock() > until:
            raise Refusal(
                f"Kruise Rollouts still lives after {STOP_SECONDS:.0f} s: {'; '.join(signs)}; stop "
                "it where it runs, then the same command goes on"
            )
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _signs(inventory: Inventory) -> tuple[str, ...]:
    """Return the signs of a live process; its webhook configurations are ours to remove."""
    told = kruise.signs_of_life(inventory.controllers, inventory.leases, (), inventory.now)
    pods = tuple(f"Pod {key_of(pod)} is there" for pod in inventory.controller_pods)
    return (*told, *pods)


async def _judge(client: Client, namespace: str) -> None:
    """Remember what is written for the releases in flight, as they stand now."""
    inventory = await observe(client, namespace)
    found = plan.judgements(inventory)
    if refused := [j for j in found if j.fate is Fate.REFUSED]:
        await _start_again(client, namespace)
        told = "; ".join(f"Rollout {j.key}: {j.why}; {j.remedy}" for j in refused)
        raise Refusal(f"{told}. Kruise Rollouts was started again, nothing else was changed")
    flying = [j for j in found if j.fate is Fate.IN_FLIGHT]
    data = [await _remembered(client, inventory, judgement) for judgement in flying]
    await record.put(client, namespace, "takeovers", data)


async def _start_again(client: Client, namespace: str) -> None:
    known = await _known(client, namespace)
    for one in known.installation["deployments"]:
        body = {"spec": {"replicas": one["replicas"]}}
        await writing.patch(client, DEPLOYMENTS, one["name"], one["namespace"], body)
    await record.forget(client, namespace)


async def _remembered(client: Client, inventory: Inventory, judgement: Judgement) -> Obj:
    rollout = next(o for o in inventory.rollouts if key_of(o) == judgement.key)
    takeover = judgement.takeover
    name = takeover.after.rollout.spec.workload_ref.name if takeover else ""
    workload = await get(client, DEPLOYMENTS, name, judgement.namespace)
    if workload is None:
        raise Refusal(f"Deployment {judgement.namespace}/{name} is gone; run the command again")
    beside = judgement.canary.deployment.metadata.name if judgement.canary else None
    extra = await get(client, DEPLOYMENTS, beside, judgement.namespace) if beside else None
    return record.takeover_data(judgement, rollout, workload, extra)


async def _drop_validating(client: Client, namespace: str) -> None:
    del namespace
    await writing.remove(client, VALIDATING, kruise.VALIDATING)


async def _store(client: Client, namespace: str) -> None:
    del namespace
    for resource in (SERVICES, INGRESSES, BATCH_RELEASES):
        await writing.restate_owners(client, resource)
    await writing.store_as(client, "v1alpha1")
    await writing.put_ours(client)
    await install_crds(client)


async def _batches(client: Client, namespace: str) -> None:
    del namespace
    crd = await get(client, CRD, BATCH_RELEASE_CRD)
    if crd is not None:
        await writing.replace_crd(client, without_conversion(crd))


async def _releases(client: Client, namespace: str) -> None:
    known = await _known(client, namespace)
    for one in known.takeovers:
        for entry in one["records"]:
            await writing.ensure(client, RECORDS, entry["body"])
            name = entry["body"]["metadata"]["name"]
            await writing.set_status(client, RECORDS, name, one["namespace"], entry["status"])
        await writing.set_status(
            client, ROLLOUTS["v1alpha1"], one["name"], one["namespace"], one["status"]
        )


async def _guard(client: Client, namespace: str) -> None:
    """Until Tandem is enabled, a new template is refused: nothing would hold it in steps.

    We are exempt while the migration lasts; Tandem states its own user when it starts.
    """
    writers = {f"system:serviceaccount:{namespace}:tandem", await own_user(client)}
    await install_policies(client, writers)


async def _drop_mutating(client: Client, namespace: str) -> None:
    del namespace
    await writing.remove(client, MUTATING, kruise.MUTATING)


async def _workloads(client: Client, namespace: str) -> None:
    known = await _known(client, namespace)
    for one in known.takeovers:
        await writing.patch(client, DEPLOYMENTS, one["workload"], one["namespace"], one["patch"])
        if one["canary"]:
            await canary.take_over(client, one)


async def _finalizers(client: Client, namespace: str) -> None:
    inventory = await observe(client, namespace)
    for batch in inventory.batch_releases:
        metadata = batch["metadata"]
        kept = [f for f in metadata.get("finalizers") or () if f != kruise.BATCH_RELEASE_FINALIZER]
        body = {"metadata": {"finalizers": kept}}
        await writing.patch(client, BATCH_RELEASES, metadata["name"], metadata["namespace"], body)


_STEPS: dict[str, Step] = {
    "record": _remember,
    "stop": _stop,
    "takeovers": _judge,
    "validating": _drop_validating,
    "store": _store,
    "batches": _batches,
    "releases": _releases,
    "guard": _guard,
    "mutating": _drop_mutating,
    "workloads": _workloads,
    "finalizers": _finalizers,
}
