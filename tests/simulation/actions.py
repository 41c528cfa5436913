"""What may happen to a release: the moves of a generated schedule, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tandem_controller.api.policy import HoldRelease, OnDelete, RollbackScope
from tests.simulation.kubelet import Readiness
from tests.simulation.model import Controller
from tests.simulation.rules import Obj

WAIT: Obj = {}
TEMPLATES: dict[int, tuple[str, str]] = {
    1: ("r/web:1", "r/init:1"),
    2: ("r/web:2", "r/init:1"),
    3: ("r/web:3", "r/init:2"),
    4: ("r/web:1", "r/init:2"),
    5: ("r/web:2", "r/init:2"),
}
"""Business and init image by number: 4 changes the platform part of 1 alone, 5 that of 2."""


def _step(replicas: str | int, traffic: str | None = None, pause: Obj | None = None) -> Obj:
    step: Obj = {"replicas": replicas, "pause": WAIT if pause is None else pause}
    return {**step, "traffic": traffic} if traffic else step


def _even(percent: str, pause: Obj | None = None) -> Obj:
    return _step(percent, percent, pause)


MATCH: Obj = {"headers": [{"type": "Exact", "name": "x-group", "value": "beta"}]}
PLANS: tuple[list[Obj], ...] = (
    [_even("20%"), _even("50%"), _even("100%")],
    [_even("34%", {"duration": 7}), _even("67%", {"duration": 0})],
    [_even("100%")],
    [_step(1, "5%"), _step("50%", "30%"), _even("60%"), _even("100%", {"duration": 4})],
    [_step(1), _even("50%"), _step("100%")],
    [{**_step(2), "matches": [MATCH]}, _even("40%"), _even("80%")],
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The world before anything happens."""

    replicas: int = 5
    knobs: tuple[int | str, int | str] = ("25%", "25%")
    """The user's maxSurge and maxUnavailable."""
    min_ready_seconds: int = 0
    plan: int = 0
    extra: bool = False
    routing: str = ""
    policy: OnDelete | None = None
    scope: RollbackScope = RollbackScope.ALL
    hold: HoldRelease = HoldRelease.APPROVE
    application: bool = False
    """Whether Rollout and Deployment carry KubeVela's labels."""


@dataclass(frozen=True)
class Step:
    """One controller looks once, at all of its objects; maybe it is cut short."""

    controller: Controller
    most_writes: int | None = None


@dataclass(frozen=True)
class Look:
    """Tandem looks; maybe it dies after so many effects."""

    crash_after: int | None = None


@dataclass(frozen=True)
class Quiesce:
    """Everybody works until nothing changes."""


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: int


@dataclass(frozen=True)
class Apply:
    """A user states a template."""

    template: int


@dataclass(frozen=True)
class Label:
    """A user changes labels of the Deployment only."""

    value: str


@dataclass(frozen=True)
class Scale:
    """A user or autoscaler changes the replicas."""

    replicas: int


@dataclass(frozen=True)
class Break:
    """The n-th pod stops being ready."""

    pod: int


@dataclass(frozen=True)
class Mend:
    """All broken pods get ready again."""


@dataclass(frozen=True)
class Evict:
    """The n-th pod is deleted."""

    pod: int


@dataclass(frozen=True)
class Fate:
    """What becomes of an image's pods."""

    image: str
    readiness: Readiness


@dataclass(frozen=True)
class Approve:
    """A user approves the step, if it waits for that."""


@dataclass(frozen=True)
class ApproveByAnnotation:
    """A user names the step in an annotation, whether it waits or not."""


@dataclass(frozen=True)
class ApproveBy:
    """A workflow approves by a ReleaseApproval: a step near the present one.

    It means the revision that is being released, or one that is none any more.
    """

    ahead: int = 0
    stale: bool = False


@dataclass(frozen=True)
class Suspend:
    """spec.strategy.paused."""

    paused: bool


@dataclass(frozen=True)
class EditPlan:
    """A user states other steps."""

    plan: int


@dataclass(frozen=True)
class AskBack:
    """The rollback annotation."""


@dataclass(frozen=True)
class GoBack:
    """The same while no release may be in progress: back to an earlier one."""


@dataclass(frozen=True)
class Accept:
    """The annotation that releases a held platform change."""


@dataclass(frozen=True)
class Retry:
    """The annotation that lets a rejected version be released again."""


@dataclass(frozen=True)
class Disable:
    """spec.disabled."""

    disabled: bool


@dataclass(frozen=True)
class DeleteRollout:
    """The Rollout is deleted."""


@dataclass(frozen=True)
class ResetRoute:
    """A third party re-applies the user's route."""


@dataclass(frozen=True)
class ResetService:
    """A third party re-applies the user's Service."""


@dataclass(frozen=True)
class ReapplyKnobs:
    """An owner re-applies strategy and deadline as its manifest has them."""


@dataclass(frozen=True)
class Reapply:
    """An owner re-applies its whole manifest: the template stated last, knobs, paused: false."""


@dataclass(frozen=True)
class Webhook:
    """The webhook goes away or comes back; the API server's policies stay."""

    away: bool


@dataclass(frozen=True)
class EditPolicy:
    """A user states another policy; its containers are shell patterns."""

    scope: RollbackScope
    hold: HoldRelease
    business: tuple[str, ...] = ()


@dataclass(frozen=True)
class Name:
    """A user gives the release a name of its own (rollout-id)."""

    value: str


Statement = Apply | Label | Scale | Name | ReapplyKnobs | Reapply
"""What a user does to the workload."""
Return = AskBack | GoBack | Accept | Retry | DeleteRollout
"""What a user does about what was or shall be taken back."""
Command = (
    Approve | ApproveByAnnotation | ApproveBy | Suspend | Disable | EditPlan | EditPolicy | Return
)
"""What a user does to the release."""
Mishap = Break | Mend | Evict | Fate | ResetRoute | ResetService | Webhook
"""What befalls pods and objects, by nobody's wish."""
Turn = Step | Look | Quiesce | Wait
"""Somebody works, or time passes."""
Action = Statement | Command | Mishap | Turn

_KNOBS: tuple[tuple[int | str, int | str], ...] = (
    ("25%", "25%"),
    (0, 1),
    ("100%", 0),
    (1, 0),
    (0, "50%"),
)
settings = st.builds(
    Setting,
    replicas=st.sampled_from([1, 2, 3, 5, 5, 8]),
    knobs=st.sampled_from(_KNOBS),
    plan=st.integers(0, len(PLANS) - 1),
    min_ready_seconds=st.sampled_from([0, 0, 0, 3]),
    extra=st.booleans(),
    routing=st.sampled_from(["", "route", "ingress"]),
    policy=st.sampled_from([None, None, *OnDelete]),
    scope=st.sampled_from(RollbackScope),
    hold=st.sampled_from(HoldRelease),
    application=st.sampled_from([False, False, False, True]),
)

_apply = st.sampled_from([1, 2, 2, 3, 4, 5]).map(Apply)
_pods = st.integers(0, 9)
_images = st.sampled_from(["r/web:2", "r/web:3", "r/init:2"])
_fates = st.sampled_from([Readiness.NEVER, Readiness.CRASH, Readiness.SLOW, Readiness.INSTANT])
users: st.SearchStrategy[Action] = st.one_of(
    _apply,
    _apply,
    st.just(Approve()),
    st.just(Approve()),
    st.just(ApproveByAnnotation()),
    st.builds(ApproveBy, st.sampled_from([0, 0, 0, -1, 1]), st.sampled_from([False, False, True])),
    st.sampled_from([0, 1, 2, 3, 5, 10]).map(Scale),
    st.builds(Break, _pods),
    st.just(Mend()),
    st.builds(Evict, _pods),
    st.builds(Fate, _images, _fates),
    st.sampled_from(["a", "b"]).map(Label),
    st.booleans().map(Suspend),
    st.integers(0, len(PLANS) - 1).map(EditPlan),
    st.just(AskBack()),
    st.just(Accept()),
    st.just(Retry()),
    st.just(ResetRoute()),
    st.just(ResetService()),
    st.just(ReapplyKnobs()),
)
_policies = st.builds(
    EditPolicy,
    st.sampled_from(RollbackScope),
    st.sampled_from(HoldRelease),
    st.sampled_from([(), (), ("init",)]),
)
withholding: st.SearchStrategy[Action] = st.one_of(
    st.just(Reapply()),
    st.just(Reapply()),
    st.booleans().map(Webhook),
    _policies,
    st.sampled_from(["a", "b"]).map(Name),
    st.just(GoBack()),
    st.sampled_from([10, 31]).map(Wait),
)
"""What bears on held and rejected versions."""
rare: st.SearchStrategy[Action] = st.one_of(
    users, users, users, st.booleans().map(Disable), st.just(DeleteRollout())
)
moves: st.SearchStrategy[Action] = st.one_of(
    st.builds(Step, st.sampled_from(Controller), st.sampled_from([None, None, 0, 1])),
    st.builds(Step, st.sampled_from(Controller), st.sampled_from([None, None, 0, 1])),
    st.builds(Look, st.sampled_from([None, None, 0, 1, 2])),
    st.builds(Look, st.sampled_from([None, None, 0, 1, 2])),
    st.sampled_from([1, 3, 5]).map(Wait),
    st.just(Quiesce()),
    st.just(Quiesce()),
)
schedules: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(rare, moves, moves), min_size=4, max_size=40
).map(lambda rest: [Apply(2), *rest])
"""A release begins, and then anything happens."""
withheld: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(rare, withholding, withholding, moves, moves), min_size=4, max_size=40
).map(lambda rest: [Apply(2), *rest])
"""A release begins, and its owner insists."""
_crashes = st.builds(Look, st.integers(0, 3))
crashing: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(rare, _crashes, st.sampled_from([2, 5]).map(Wait)), min_size=2, max_size=12
).map(lambda rest: [Apply(2), *rest])
"""Users' actions, with Tandem dying in between after its first effects."""
crashing_withheld: st.SearchStrategy[list[Action]] = st.lists(
    st.one_of(rare, withholding, _crashes), min_size=2, max_size=12
).map(lambda rest: [Apply(2), *rest])
"""The same, with an owner that insists."""
