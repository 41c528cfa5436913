"""Who leads, and that nobody else does at the same time."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_controller.kube.lease import LeaderElector, LeadershipLost, LeaseTimes
from tandem_controller.kube.timestamps import micro_time
from tests.runtime.lease_server import LeaseServer, Link, Net
from tests.runtime.virtual import in_virtual_time, now, stopped, until

TIMES = LeaseTimes()


@dataclass
class Stage:
    """Who acts right now; more than one is what must never happen."""

    acting: set[str] = field(default_factory=set)
    history: list[tuple[float, str, str]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    def enter(self, name: str) -> None:
        assert not self.acting, f"{name} starts while {self.acting} still acts"
        self.acting.add(name)
        self.history.append((now(), "starts", name))

    def leave(self, name: str) -> None:
        self.acting.discard(name)
        self.history.append((now(), "stops", name))

    def when(self, what: str, name: str) -> float:
        return next(at for at, event, who in reversed(self.history) if (event, who) == (what, name))


class Replica:
    """A process that wants to lead; ``wind_up`` is how long its work takes to stop."""

    def __init__(
        self,
        name: str,
        server: LeaseServer,
        stage: Stage,
        *,
        times: LeaseTimes = TIMES,
        clock_wrong_by: timedelta = timedelta(),
        wind_up: float = 4.9,
    ) -> None:
        self.name = name
        self.link = Link(server)
        self.stage = stage
        self.wind_up = wind_up
        self.elector = LeaderElector(
            self.link,
            namespace="ns",
            name="l",
            identity=name,
            times=times,
            now=lambda: datetime.now(UTC) + clock_wrong_by,
            random=Random(name),
            on_stuck=lambda: stage.stuck.append(name),
        )
        self.task: asyncio.Task[None] = asyncio.create_task(self.elector.run(self.lead))

    async def lead(self) -> None:
        self.stage.enter(self.name)
        try:
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(self.wind_up)
            self.stage.leave(self.name)

    @property
    def acts(self) -> bool:
        return self.name in self.stage.acting


async def two_replicas(stage: Stage, *, wind_up: float = 4.9) -> tuple[LeaseServer, list[Replica]]:
    """The first one leads, the second one waits."""
    server = LeaseServer()
    first = Replica("a", server, stage, wind_up=wind_up)
    await until(lambda: first.acts)
    return server, [first, Replica("b", server, stage, wind_up=wind_up)]


def test_one_leads_and_the_other_waits_without_a_request() -> None:
    async def scenario() -> None:
        stage = Stage()
        _, (a, b) = await two_replicas(stage)
        await asyncio.sleep(3600)
        assert a.acts
        assert a.elector.is_leader
        assert not b.elector.is_leader
        assert b.elector.holder == "a"
        renewals = [at for at, verb in a.link.requests if verb == "PATCH"]
        assert 3600 / 2.4 <= len(renewals) <= 3600 / 1.6
        assert len([r for r in b.link.requests if r[0] > 10]) <= 2 * 3600 / 300
        await stopped(a.task, b.task)

    in_virtual_time(scenario())


def test_release_on_stop_lets_the_other_take_over_at_once() -> None:
    async def scenario() -> None:
        stage = Stage()
        server, (a, b) = await two_replicas(stage, wind_up=0.5)
        await asyncio.sleep(100)
        await stopped(a.task)
        assert server.lease is not None
        await asyncio.sleep(0.1)
        assert b.acts
        assert stage.when("starts", "b") == stage.when("stops", "a")
        assert server.lease["spec"]["leaseTransitions"] == 2 - 1
        await stopped(b.task)

    in_virtual_time(scenario())


def test_the_work_has_ended_before_the_lease_is_released() -> None:
    async def scenario() -> None:
        stage = Stage()
        server, (a, b) = await two_replicas(stage, wind_up=4.0)
        a.task.cancel()
        await asyncio.sleep(3.9)
        assert server.holder == "a"
        await asyncio.sleep(0.2)
        assert server.holder == "b"
        await stopped(b.task)

    in_virtual_time(scenario())


@pytest.mark.parametrize("net", [Net.HANGS, Net.REFUSED, Net.ANSWERS_LOST])
def test_a_leader_that_cannot_renew_has_stopped_before_its_lease_ends(net: Net) -> None:
    async def scenario() -> None:
        stage = Stage()
        _, (a, b) = await two_replicas(stage)
        await asyncio.sleep(61)
        last_renewal = a.link.requests[-1][0]
        a.link.net = net
        await until(lambda: b.acts)
        assert stage.when("stops", "a") < stage.when("starts", "b")
        if net is not Net.ANSWERS_LOST:  # there the renewals go on arriving
            assert stage.when("stops", "a") <= last_renewal + TIMES.lease_seconds
            assert stage.when("starts", "b") <= last_renewal + TIMES.lease_seconds + 0.1
        assert isinstance(a.task.exception(), LeadershipLost)
        assert stage.stuck == []
        await stopped(b.task)

    in_virtual_time(scenario())


def test_leadership_counts_from_when_the_renewal_was_sent_not_from_its_answer() -> None:
    async def scenario() -> None:
        stage = Stage()
        _, (a, b) = await two_replicas(stage)
        await asyncio.sleep(30)
        a.link.net = Net.LATE_ANSWERS
        await asyncio.sleep(20)
        await until(lambda: now() - a.link.requests[-1][0] > 2.9)
        sent_at = a.link.requests[-1][0]
        await until(lambda: now() - sent_at > 3.05)  # its answer is there
        a.link.net = Net.HANGS
        await until(lambda: b.acts)
        assert stage.when("stops", "a") <= sent_at + TIMES.lease_seconds
        await asyncio.gather(a.task, return_exceptions=True)
        await stopped(b.task)

    in_virtual_time(scenario())


def test_may_act_is_false_from_the_renew_deadline_on_whatever_the_work_does() -> None:
    async def scenario() -> None:
        stage = Stage()
        _, (a, b) = await two_replicas(stage)
        await asyncio.sleep(30)
        last_renewal = a.link.requests[-1][0]
        a.link.net = Net.HANGS
        await asyncio.sleep(last_renewal + TIMES.renew_deadline_seconds - now())
        assert not a.elector.is_leader
        assert a.acts, "the work is still winding up"
        await asyncio.gather(a.task, return_exceptions=True)
        await stopped(b.task)

    in_virtual_time(scenario())


def test_work_that_does_not_stop_in_time_ends_the_process() -> None:
    async def scenario() -> None:
        stage = Stage()
        server = LeaseServer()
        a = Replica("a", server, stage, wind_up=60)
        await until(lambda: a.acts)
        await asyncio.sleep(30)
        renewed_at = a.link.requests[-1][0]
        a.link.net = Net.HANGS
        await until(lambda: stage.stuck)
        assert now() <= renewed_at + TIMES.lease_seconds + 0.5
        await asyncio.gather(a.task, return_exceptions=True)
        await asyncio.sleep(60)

    in_virtual_time(scenario())


def test_an_outage_shorter_than_the_deadline_costs_nothing() -> None:
    async def scenario() -> None:
        stage = Stage()
        _, (a, b) = await two_replicas(stage)
        for net in (Net.HANGS, Net.REFUSED, Net.ANSWERS_LOST, Net.SLOW):
            await asyncio.sleep(30)
            a.link.net = net
            await asyncio.sleep(6)
            a.link.net = Net.UP
        await asyncio.sleep(60)
        assert a.acts
        assert [event for _, event, _ in stage.history] == ["starts"]
        await stopped(a.task, b.task)

    in_virtual_time(scenario())


def test_a_label_that_someone_puts_on_the_lease_costs_nothing() -> None:
    async def scenario() -> None:
        stage = Stage()
        server, (a, b) = await two_replicas(stage)
        for _ in range(20):
            await asyncio.sleep(3)
            server.write({})
        assert a.acts
        await stopped(a.task, b.task)

    in_virtual_time(scenario())


def test_a_leader_whose_lease_was_taken_stops_at_its_next_renewal() -> None:
    async def scenario() -> None:
        stage = Stage()
        server = LeaseServer()
        a = Replica("a", server, stage, wind_up=1)
        await until(lambda: a.acts)
        await asyncio.sleep(30)
        server.write({"holderIdentity": "someone"})
        at = now()
        await until(lambda: not a.acts)
        assert now() - at <= 2.4 + 1 + 0.1
        assert isinstance(a.task.exception(), LeadershipLost)
        assert server.holder == "someone"
        assert stage.stuck == []

    in_virtual_time(scenario())


def test_a_deleted_lease_is_made_again_by_its_holder() -> None:
    async def scenario() -> None:
        stage = Stage()
        server, (a, b) = await two_replicas(stage)
        await asyncio.sleep(30)
        server.delete()
        await asyncio.sleep(60)
        assert a.acts
        assert server.holder == "a"
        assert len(stage.history) == 1
        await stopped(a.task, b.task)

    in_virtual_time(scenario())


@pytest.mark.parametrize("watch_breaks", [False, True])
def test_deleting_the_lease_of_a_holder_out_of_reach_does_not_free_it_early(
    watch_breaks: bool,
) -> None:
    async def scenario() -> None:
        stage = Stage()
        server, (a, b) = await two_replicas(stage)
        await asyncio.sleep(30)
        renewed_at = a.link.requests[-1][0]
        a.link.net = Net.HANGS
        await asyncio.sleep(3)
        if watch_breaks:
            b.link.net = Net.REFUSED
        server.delete()
        await asyncio.sleep(0.5)
        b.link.net = Net.UP
        await until(lambda: b.acts)
        assert renewed_at + 15 <= now() <= renewed_at + 17.5
        assert stage.when("stops", "a") < now()
        await asyncio.gather(a.task, return_exceptions=True)
        await stopped(b.task)

    in_virtual_time(scenario())


def test_a_holder_that_died_is_waited_for_its_own_duration() -> None:
    """Its Lease may be longer than ours: another version, another configuration."""

    async def scenario() -> None:
        server, stage = LeaseServer(), Stage()
        server.write({"holderIdentity": "dead", "leaseDurationSeconds": 40})
        b = Replica("b", server, stage)
        at = await until(lambda: b.acts)
        assert 40 <= at <= 40.6
        await stopped(b.task)

    in_virtual_time(scenario())


@pytest.mark.parametrize("wrong_by", [timedelta(hours=-5), timedelta(hours=5)])
def test_clocks_that_differ_by_hours_change_nothing(wrong_by: timedelta) -> None:
    async def scenario() -> None:
        server, stage = LeaseServer(), Stage()
        a = Replica("a", server, stage)
        await until(lambda: a.acts)
        b = Replica("b", server, stage, clock_wrong_by=wrong_by)
        await asyncio.sleep(600)
        assert a.acts
        a.link.net = Net.HANGS
        at = now()
        await until(lambda: b.acts)
        assert 12 < now() - at < 15.5
        await stopped(b.task)

    in_virtual_time(scenario())


def test_a_clock_that_runs_a_tenth_slow_still_stops_in_time() -> None:
    """Slow by a factor is the same as longer durations in true time."""

    async def scenario() -> None:
        server, stage = LeaseServer(), Stage()
        slow = LeaseTimes(16.4, 11.0, 2.2)
        a = Replica("a", server, stage, times=slow, wind_up=3.9)
        await until(lambda: a.acts)
        assert server.lease is not None
        server.lease["spec"]["leaseDurationSeconds"] = 15
        b = Replica("b", server, stage)
        await asyncio.sleep(60)
        a.link.net = Net.HANGS
        await until(lambda: b.acts)
        await stopped(b.task)

    in_virtual_time(scenario())


def test_a_taking_whose_answer_was_lost_is_noticed_as_ours() -> None:
    async def scenario() -> None:
        server, stage = LeaseServer(), Stage()
        server.write({"holderIdentity": ""})
        a = Replica("a", server, stage)
        a.link.net = Net.WRITE_ANSWERS_LOST
        await asyncio.sleep(0.5)
        assert server.holder == "a"
        a.link.net = Net.UP
        at = await until(lambda: a.acts)
        assert at < 10
        await stopped(a.task)

    in_virtual_time(scenario())


def test_work_that_returns_ends_the_run_and_frees_the_lease() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        elector = LeaderElector(Link(server), namespace="ns", name="l", identity="a")

        async def lead() -> None:
            await asyncio.sleep(30)

        await elector.run(lead)
        assert 30 <= now() <= 30.5
        assert server.holder == ""
        assert not elector.is_leader

    in_virtual_time(scenario())


def test_an_error_of_the_work_comes_out_and_the_lease_is_freed() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        elector = LeaderElector(Link(server), namespace="ns", name="l", identity="a")

        async def lead() -> None:
            await asyncio.sleep(3)
            raise KeyError("bug")

        with pytest.raises(KeyError, match="bug"):
            await elector.run(lead)
        assert server.holder == ""

    in_virtual_time(scenario())


def test_a_release_that_hangs_does_not_hold_up_the_end() -> None:
    async def scenario() -> None:
        server, stage = LeaseServer(), Stage()
        a = Replica("a", server, stage, wind_up=0)
        await until(lambda: a.acts)
        a.link.net = Net.HANGS
        at = now()
        await stopped(a.task)
        assert now() - at <= TIMES.request_seconds + 0.1

    in_virtual_time(scenario())


def test_waiting_for_the_lease_can_be_cancelled() -> None:
    async def scenario() -> None:
        _, (a, b) = await two_replicas(Stage(), wind_up=0)
        await asyncio.sleep(10)
        await stopped(b.task)
        assert a.acts
        await stopped(a.task)

    in_virtual_time(scenario())


moves = st.lists(
    st.tuples(
        st.floats(0.1, 12), st.sampled_from("abc"), st.sampled_from([*Net, "restart", "kill"])
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(moves)
def test_never_do_two_act_at_once_whatever_the_network_does(
    moves: list[tuple[float, str, Net | str]],
) -> None:
    async def scenario() -> None:
        server, stage = LeaseServer(), Stage()
        replicas = {name: Replica(name, server, stage) for name in "abc"}
        lives = 0
        for seconds, name, move in moves:
            await asyncio.sleep(seconds)
            replica = replicas[name]
            if isinstance(move, Net):
                replica.link.net = move
            if move == "kill":
                replica.link.net = Net.REFUSED  # no release
            if move in {"restart", "kill"} or replica.task.done():
                replica.task.cancel()
                await asyncio.gather(replica.task, return_exceptions=True)
                lives += 1
                replicas[name] = Replica(f"{name}{lives}", server, stage)
        for name, replica in list(replicas.items()):
            replica.link.net = Net.UP
            if replica.task.done():
                await asyncio.gather(replica.task, return_exceptions=True)
                replicas[name] = Replica(f"{name}-last", server, stage)
        await until(lambda: stage.acting, seconds=60)
        await asyncio.sleep(40)
        ended = [r.task.exception() for r in replicas.values() if r.task.done()]
        assert all(isinstance(error, LeadershipLost) for error in ended)
        assert stage.stuck == []
        await stopped(*(r.task for r in replicas.values() if not r.task.done()))

    in_virtual_time(scenario())


def test_times_are_utc_with_six_decimals() -> None:
    at = datetime(2026, 11, 21, 1, 2, 3, tzinfo=timezone(timedelta(hours=8)))
    assert micro_time(at) == "2026-11-20T17:02:03.000000Z"
    with pytest.raises(ValueError, match="zone"):
        micro_time(datetime(2026, 1, 1))  # noqa: DTZ001


def test_times_that_cannot_be_safe_are_refused() -> None:
    with pytest.raises(ValueError, match="renew deadline"):
        LeaseTimes(lease_seconds=10, renew_deadline_seconds=10)
