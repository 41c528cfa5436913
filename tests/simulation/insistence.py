"""An owner that goes on re-applying its manifest when all is over: what that costs."""

from __future__ import annotations

from tests.simulation.endings import resting_state
from tests.simulation.world import World

ROUNDS = 4
"""So often its manifest may still bring something about; then nothing of it is new."""


def insist(world: World) -> None:
    """Re-apply, with the webhook and without it: nothing moves, and little is written."""
    world.guard.log.append("the owner insists")
    try:
        _with_webhook(world)
        if world.rollout is not None and not world.rollout["spec"].get("disabled"):
            _without_webhook(world)
    except AssertionError as error:
        tail = "\n  ".join(world.guard.log[-40:])
        raise AssertionError(f"{error}\nwhile the owner insists\n  {tail}") from error


def _with_webhook(world: World) -> None:
    """In the end a write of the manifest costs Tandem none."""
    world.webhook(away=False)
    for _ in range(ROUNDS):
        before = world.tandem.written
        world.user.reapply()
        world.run_to_the_end()
        world.tandem.settle(31)
        if world.tandem.written == before:
            return
    raise AssertionError("each time that the owner re-applies, Tandem writes")


def _without_webhook(world: World) -> None:
    """What is withheld is put back, but not each time, and no pod of it comes."""
    world.webhook(away=True)
    running = resting_state(world)["sizes"]
    before = world.guard.restorations
    for _ in range(12):
        world.user.reapply()
        world.quiesce()
        world.model.advance(5)
    restored = world.guard.restorations - before
    world.webhook(away=False)
    world.tandem.settle(31)
    assert restored <= 2, f"put back {restored} times in a minute"
    assert resting_state(world)["sizes"] == running, "pods came while the webhook was away"
