"""What a migration would do, from what the cluster says now. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tandem_cli.cluster_objects import Obj, key_of
from tandem_cli.migration import record as records
from tandem_cli.migration.crds import is_ours, storage_version
from tandem_cli.migration.inventory import Inventory
from tandem_cli.migration.judge import Fate, Judgement, judge
from tandem_controller.api import kruise
from tandem_controller.api.meta import Model

STEPS = {
    "record": "remember the installation in ConfigMap tandem-migration-kruise",
    "stop": "scale Kruise Rollouts to 0 and wait until it is gone",
    "takeovers": "judge every Rollout again, now that nothing moves it",
    "validating": "take away the webhook that refuses Rollouts without their controller",
    "store": "rewrite all Rollouts as v1alpha1 and put Tandem's CRDs in place",
    "batches": "let BatchReleases do without their conversion webhook",
    "releases": "write records and places of the releases in flight",
    "guard": "install Tandem's admission policies",
    "mutating": "take away the webhook that refuses workloads without their controller",
    "workloads": "bring the Deployments in flight to rest as Tandem does",
    "finalizers": "take the finalizers off BatchReleases",
}
"""The steps of --apply in their order, each with its sentence. Every one may be repeated."""


class RolloutPlan(Model, frozen=True, omit_defaults=False):
    """What becomes of one Rollout."""

    namespace: str
    name: str
    fate: str
    why: str = ""
    remedy: str = ""


class StepPlan(Model, frozen=True, omit_defaults=False):
    """One step, and whether an earlier call did it."""

    step: str
    what: str
    done: bool


class Plan(Model, frozen=True, omit_defaults=False):
    """The whole migration. It can be applied where nothing stands in `refusals`."""

    controller: tuple[str, ...]
    """By what Kruise Rollouts is known to be alive."""
    crd: str
    rollouts: tuple[RolloutPlan, ...]
    steps: tuple[StepPlan, ...]
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]

    @property
    def finished(self) -> bool:
        """Whether every step is done, or nothing is there to migrate."""
        return all(step.done for step in self.steps)


def judgements(inventory: Inventory) -> list[Judgement]:
    """Judge every Rollout."""
    return [
        judge(snapshot, inventory.now, inventory.canary_of(snapshot))
        for snapshot in inventory.snapshots()
    ]


def make(inventory: Inventory) -> Plan:
    """Return what is to be done."""
    record = records.read(inventory)
    judged = record is not None and record.done("done.takeovers")
    found = [] if judged else judgements(inventory)
    nothing = record is None and not _installed(inventory)
    return Plan(
        controller=_alive(inventory),
        crd=_crd(inventory.rollout_crd),
        rollouts=tuple(_rollout(j) for j in found),
        steps=tuple(
            StepPlan(step=key, what=what, done=nothing or _done(record, key))
            for key, what in STEPS.items()
        ),
        warnings=tuple(_warnings(inventory)),
        refusals=() if nothing else tuple(_refusals(inventory, found, record)),
    )


def _done(record: records.Record | None, step: str) -> bool:
    return record is not None and record.done(records.DONE + step)


def _installed(inventory: Inventory) -> bool:
    crd = inventory.rollout_crd
    return bool(_alive(inventory)) or (crd is not None and not is_ours(crd))


def _alive(inventory: Inventory) -> tuple[str, ...]:
    configurations = [c for c in (inventory.mutating, inventory.validating) if c]
    return kruise.signs_of_life(
        inventory.controllers, inventory.leases, configurations, inventory.now
    )


def _crd(crd: Obj | None) -> str:
    if crd is None:
        return "there is no CRD of Rollouts"
    whose = "Tandem's" if is_ours(crd) else "Kruise's"
    stored = ", ".join((crd.get("status") or {}).get("storedVersions") or ("none",))
    return f"{whose}, stores {storage_version(crd)}; stored so far: {stored}"


def _rollout(judgement: Judgement) -> RolloutPlan:
    return RolloutPlan(
        namespace=judgement.namespace,
        name=judgement.name,
        fate=str(judgement.fate),
        why=judgement.why,
        remedy=judgement.remedy,
    )


def _refusals(
    inventory: Inventory, found: list[Judgement], record: records.Record | None
) -> Iterator[str]:
    if inventory.unread:
        yield f"not everything could be read: {'; '.join(inventory.unread)}"
    if record is not None and record.reverting:
        yield "a revert is under way; end it first: tandem migrate kruise --revert"
    unfinished = record is None or not _done(record, "finalizers")
    if (
        inventory.tandem_lease
        and unfinished
        and kruise.is_held(inventory.tandem_lease, inventory.now)
    ):
        yield (
            f"Tandem's controller runs already in namespace {inventory.namespace!r}; two "
            "controllers must not act on one Rollout: scale it to 0 until the migration is done"
        )
    for judgement in found:
        if judgement.fate is Fate.REFUSED:
            yield f"Rollout {judgement.key}: {judgement.why}; {judgement.remedy}"


def _warnings(inventory: Inventory) -> Iterator[str]:
    for crd in (inventory.rollout_crd, inventory.batch_crd):
        if crd and (release := _helm_release(crd)):
            yield (
                f"CRD {crd['metadata']['name']!r} belongs to Helm release {release}: to uninstall "
                "that (`helm uninstall`, `vela addon disable kruise-rollout`) deletes the CRD and "
                "with it every Rollout; see docs/migration.md, 'Removing the old addon'"
            )
    for controller in inventory.controllers:
        labels = controller["metadata"].get("labels") or {}
        if owner := labels.get("helm.toolkit.fluxcd.io/name"):
            yield (
                f"Deployment {key_of(controller)} is applied by Flux HelmRelease {owner!r}; "
                "suspend it, or an upgrade of it starts Kruise Rollouts again"
            )
    yield from trait_clashes(inventory.traits)


def trait_clashes(traits: tuple[Obj, ...]) -> Iterator[str]:
    """Say where a trait of our name belongs to somebody else."""
    for trait in traits:
        template = (((trait.get("spec") or {}).get("schematic") or {}).get("cue") or {}).get(
            "template", ""
        )
        if trait["metadata"]["name"] == "rollout" and "standard.oam.dev" in template:
            yield (
                f"TraitDefinition {key_of(trait)} is that of the catalog's older addon `rollout`; "
                "Tandem's trait has the same name: disable that addon (`vela addon disable "
                "rollout`) before Tandem is enabled"
            )


def _helm_release(obj: Obj) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    name = annotations.get("meta.helm.sh/release-name", "")
    namespace = annotations.get("meta.helm.sh/release-namespace", "")
    return f"{namespace}/{name}" if name else ""
