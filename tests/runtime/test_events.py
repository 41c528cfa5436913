"""Events: said often, written rarely, and never in anyone's way."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tandem_controller.kube.client import PatchType
from tandem_controller.kube.errors import AlreadyExists, ApiError, Forbidden, NotFound, Unavailable
from tandem_controller.kube.events import EventRecorder, EventType, ObjectReference
from tandem_controller.kube.resource import Resource
from tests.runtime.virtual import in_virtual_time, now, stopped

SHOP = ObjectReference("apps/v1", "Deployment", "shop", "web", "uid-1", "77")


class Api:
    """Takes Events; fails while told to."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.writes: list[tuple[float, str]] = []
        self.errors: list[ApiError] = []

    async def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        field_manager: str,
    ) -> bytes:
        assert (str(resource), field_manager) == ("events.events.k8s.io/v1", "tandem")
        assert body["metadata"]["namespace"] == namespace
        self._write("create")
        if body["metadata"]["name"] in self.events:
            raise AlreadyExists(409, "AlreadyExists", "")
        self.events[body["metadata"]["name"]] = dict(body)
        return b"{}"

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        patch_type: PatchType,
        field_manager: str | None = None,
    ) -> bytes:
        assert (resource.plural, namespace, field_manager) == ("events", "shop", "tandem")
        assert patch_type is PatchType.MERGE
        self._write("patch")
        if name not in self.events:
            raise NotFound(404, "NotFound", "")
        self.events[name] |= body
        return b"{}"

    def _write(self, verb: str) -> None:
        self.writes.append((now(), verb))
        if self.errors:
            raise self.errors.pop(0)

    @property
    def verbs(self) -> list[str]:
        return [verb for _, verb in self.writes]


@asynccontextmanager
async def recording(api: Api, **options: Any) -> AsyncIterator[EventRecorder]:  # noqa: ANN401
    recorder = EventRecorder(
        api,
        controller="tandem",
        instance="pod-1",
        now=lambda: datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=now()),
        **options,
    )
    task = asyncio.create_task(recorder.run())
    try:
        yield recorder
    finally:
        await stopped(task)


def say(
    recorder: EventRecorder, note: str = "v2 was rolled back.", about: ObjectReference = SHOP
) -> None:
    recorder.record(
        about, type=EventType.WARNING, reason="RolledBack", action="Rollback", note=note
    )


def test_an_event_says_what_happened_to_which_object() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            say(recorder)
            await asyncio.sleep(1)
        (event,) = api.events.values()
        assert event.pop("metadata")["name"].startswith("web.")
        assert event == {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "eventTime": "2026-11-21T00:00:00.000000Z",
            "type": "Warning",
            "reason": "RolledBack",
            "action": "Rollback",
            "note": "v2 was rolled back.",
            "regarding": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "namespace": "shop",
                "name": "web",
                "uid": "uid-1",
            },
            "reportingController": "tandem",
            "reportingInstance": "pod-1",
        }

    in_virtual_time(scenario())


def test_a_thousand_repeats_are_one_write_and_one_count() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            for version in range(1000):
                say(recorder, about=SHOP._replace(resource_version=str(version)))
                await asyncio.sleep(0.1)
            assert api.verbs == ["create"]
            await asyncio.sleep(300)
            assert api.verbs == ["create", "patch"]
            (event,) = api.events.values()
            assert event["series"] == {
                "count": 1000,
                "lastObservedTime": "2026-11-21T00:01:39.900000Z",
            }
            await asyncio.sleep(3600)
            assert api.verbs == ["create", "patch"], "nothing is sent at rest"

    in_virtual_time(scenario())


def test_what_is_said_again_after_a_pause_is_a_new_event() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            say(recorder)
            await asyncio.sleep(3600)
            say(recorder, note="something else wakes the recorder")
            await asyncio.sleep(1)
            say(recorder)
            await asyncio.sleep(1)
            assert api.verbs == ["create"] * 3

    in_virtual_time(scenario())


def test_other_words_are_another_event() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            say(recorder, note="one")
            say(recorder, note="two")
            say(recorder, note="one", about=SHOP._replace(name="other"))
            await asyncio.sleep(1)
            assert len(api.events) == 3

    in_virtual_time(scenario())


def test_recording_neither_waits_nor_fails_while_the_server_is_away() -> None:
    async def scenario() -> None:
        api = Api()
        dropped: list[str] = []
        api.errors = [Unavailable(0, "", "refused")] * 3
        async with recording(api, on_drop=dropped.append) as recorder:
            at = now()
            for number in range(50):
                say(recorder, note=str(number))
            assert now() == at
            await asyncio.sleep(60)
            assert len(api.events) == 50
            assert dropped == []

    in_virtual_time(scenario())


def test_under_pressure_the_oldest_are_dropped_and_counted() -> None:
    async def scenario() -> None:
        api = Api()
        dropped: list[str] = []
        async with recording(api, on_drop=dropped.append, queue_length=10) as recorder:
            for number in range(25):
                say(recorder, note=str(number))
            await asyncio.sleep(1)
        assert len(dropped) == 15
        assert {event["note"] for event in api.events.values()} == {str(n) for n in range(15, 25)}

    in_virtual_time(scenario())


def test_an_event_that_is_refused_is_dropped_without_a_second_try() -> None:
    async def scenario() -> None:
        api = Api()
        dropped: list[str] = []
        api.errors = [Forbidden(403, "Forbidden", "the namespace is ending")]
        async with recording(api, on_drop=dropped.append) as recorder:
            say(recorder)
            await asyncio.sleep(60)
            assert (api.verbs, dropped) == (["create"], ["RolledBack"])

    in_virtual_time(scenario())


def test_a_creation_whose_answer_was_lost_is_not_made_twice() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            say(recorder)
            await asyncio.sleep(0.1)
            (name,) = api.events
            say(recorder)  # the count, for later
            api.events.clear()  # the Event's hour is over
            api.errors = []
            await asyncio.sleep(301)
            assert list(api.events) == [name]
            assert api.events[name]["series"]["count"] == 2

    in_virtual_time(scenario())


def test_an_ambiguous_creation_counts_as_made() -> None:
    async def scenario() -> None:
        api = Api()
        dropped: list[str] = []
        api.errors = [AlreadyExists(409, "AlreadyExists", "")]
        async with recording(api, on_drop=dropped.append) as recorder:
            say(recorder)
            await asyncio.sleep(1)
            assert dropped == []

    in_virtual_time(scenario())


def test_flush_writes_what_is_left_before_the_end() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            say(recorder)
            await asyncio.sleep(1)
            say(recorder)
            say(recorder, note="last words")
        await recorder.flush()
        assert sorted(event["note"] for event in api.events.values()) == [
            "last words",
            "v2 was rolled back.",
        ]
        assert [e["series"]["count"] for e in api.events.values() if "series" in e] == [2]

    in_virtual_time(scenario())


def test_long_texts_are_cut_at_a_whole_character() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            say(recorder, note="ü" * 600 + "x")
            say(recorder, note="a" + "ü" * 600, about=SHOP._replace(name="n" * 253))
            await asyncio.sleep(1)
        notes = [event["note"] for event in api.events.values()]
        assert notes == ["ü" * 512, "a" + "ü" * 511]
        assert all(len(name) <= 253 for name in api.events)

    in_virtual_time(scenario())


def test_events_about_cluster_scoped_objects_live_in_default() -> None:
    async def scenario() -> None:
        api = Api()
        async with recording(api) as recorder:
            say(recorder, about=ObjectReference("v1", "Node", "", "n1"))
            await asyncio.sleep(1)
        (event,) = api.events.values()
        assert event["metadata"]["namespace"] == "default"
        assert "namespace" not in event["regarding"]

    in_virtual_time(scenario())
