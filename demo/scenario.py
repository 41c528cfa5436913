"""The story: two versions step by step, a bad third one, and the complete way back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from demo import shop
from demo.load import Sample
from demo.stage import Pods, Stage
from demo.traffic import split

STEPS = {1: 20, 2: 50}
"""What the steps that wait for an approval ask for, in percent; 100 follows by itself."""
V1 = ("shop-init:v1", "shop:v1")
V2 = ("shop-init:v2", "shop:v2")
V3 = ("shop-init:v3", "shop:v3")


async def upgrade(stage: Stage, folder: Path) -> None:
    """The platform team upgrades the ComponentDefinition while v1 runs."""
    stage.screen.chapter("The platform team upgrades the ComponentDefinition")
    before = await stage.rendered("v1")
    blueprints, to = shop.upgraded_blueprints(folder), folder / "definitions"
    with stage.screen.doing("tandem generate: canary-ready-component, next version"):
        await stage.tandem("generate", "--blueprints", str(blueprints), "--to", str(to))
    stage.definitions = to
    stage.check(
        await stage.rendered("v1") == before,
        "the Application of v1 still gives the same objects: no init image rides along",
    )


async def release(stage: Stage) -> None:
    """v2 goes out in three steps."""
    stage.screen.chapter("v2: a new init image and a new business image, on purpose")
    await stage.pods("before v2")
    await stage.apply("v2")
    for step, percent in STEPS.items():
        await stage.until_paused(step, "v2")
        await stage.compare_split(f"v2 step {step}", percent, "v2")
        await stage.approve(step)
    await stage.until_at_rest("v2")
    await stage.compare_split("v2 step 3", 100, "v2")
    _all_run(stage, await stage.pods("after v2"), V2)


async def roll_back(stage: Stage) -> None:
    """v3 is bad; at 20 % the user applies v2 again."""
    stage.screen.chapter("v3 is bad: back at 20 %, by applying v2 again")
    objects = await stage.objects()
    before = await stage.pods("before v3")
    await stage.apply("v3")
    await stage.until_paused(1, "v3")
    await stage.compare_split("v3 step 1", STEPS[1], "v3")
    canary = await stage.pods("v3 at 20 %")
    expected = [V3, *[V2] * (len(before) - 1)]
    stage.check(sorted(canary.values()) == sorted(expected), "one pod runs v3, init image included")
    await stage.apply("v2")
    await stage.until_at_rest("v2")
    await stage.compare_split("back at v2", 0, "v3")
    after = await stage.pods("after the rollback")
    _all_run(stage, after, V2)
    await _is_as_before(stage, objects)
    await _answers_are(stage, V2)


def _all_run(stage: Stage, pods: Pods, images: tuple[str, str]) -> None:
    init, business = images
    stage.check(
        len(pods) > 0 and set(pods.values()) == {images},
        f"all {len(pods)} pods run {init} and {business}",
    )


async def _is_as_before(stage: Stage, before: dict[str, object]) -> None:
    after = await stage.objects()
    changed = sorted(name for name in before if before[name] != after[name])
    stage.check(
        not changed,
        "Deployment, Services and HTTPRoute are what they were before v3"
        + (f"; not so: {', '.join(changed)}" if changed else ""),
    )


async def _answers_are(stage: Stage, images: tuple[str, str]) -> None:
    """Ask the pods themselves which images they run."""
    if stage.load is None:
        return
    wanted = tuple(image.partition(":")[2] for image in images)
    seen = {(s.init, s.business) for s in await stage.load.next_requests(50)}
    stage.check(seen == {wanted}, f"every answer names init {wanted[0]} and business {wanted[1]}")


def still_run(stage: Stage) -> None:
    """Nothing may have died behind the scenes, not even to be restarted."""
    for process in stage.processes:
        if process.died:
            stage.check(False, f"a process of Tandem died; its log: {process.log}")


def account(stage: Stage, least_rate: float) -> None:
    """Say what became of every request of the whole demo."""
    load = stage.load
    if load is None:
        return
    stage.screen.chapter("Every request of the demo")
    answered = split(load.samples)
    shares = ", ".join(f"{v} {n}" for v, n in sorted(answered.by_version.items()))
    total, failures = len(load.samples), load.failures
    stage.check(
        not failures,
        f"{total} requests, one attempt and one connection each: {len(failures)} failed ({shares})"
        f"{_first(failures)}",
    )
    odd = total - answered.total - len(failures)
    stage.check(odd == 0, f"{odd} answers were neither a version nor an error")
    stage.check(load.rate >= least_rate, f"{load.rate:.1f} requests a second")
    stage.screen.say(f"raw log: {load.log}")


def _first(failures: Iterable[Sample]) -> str:
    first = next(iter(failures), None)
    return f"; the first: {first.error or first.status} at {first.at:.3f}" if first else ""
