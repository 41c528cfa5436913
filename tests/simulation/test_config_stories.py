"""Whatever happened to config, the next version runs with what its owner states of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.simulation.bad_input import RENDERED, REVISION, Shop
from tests.simulation.errors import ApiError
from tests.simulation.rules import Obj

WEB = (Kind.ROLLOUT, "web")
CONTENTS: tuple[dict[str, str], ...] = (
    {"v": "1"},
    {"v": "2"},
    {"v": "2", "w": "2"},
    {"w": "3"},
    {"v": "1", "w": "9"},
)
IMAGES = ("r/web:2", "r/web:3", "r/web:4")


class Way(StrEnum):
    """How an owner's write reaches the API server."""

    ADMITTED = "the webhook answers"
    PAST = "no webhook answers"
    BREAK_GLASS = "with the label"


class Act(StrEnum):
    """What happens without a new version."""

    RE_APPLY = "the owner writes its config again"
    RE_CREATE = "the owner deletes its config and creates it again"
    GO_BACK = "somebody asks for a rollback"
    RETRY = "somebody retries the rejected version"
    COMPLETE = "every step is approved"
    WAIT = "time passes"
    DISABLE = "the Rollout is disabled"
    ENABLE = "and enabled again"


@dataclass(frozen=True)
class Next:
    """The next version: its image and config, and which of them is written first."""

    image: str
    content: dict[str, str]
    config_first: bool = True
    way: Way = Way.ADMITTED


@dataclass
class Story:
    """An owner that replaces what it states, of revision after revision."""

    shop: Shop = field(default_factory=Shop)
    stated: dict[str, str] = field(default_factory=lambda: CONTENTS[0])
    revision: int = 1

    def play(self, happening: Act | Next) -> None:
        if isinstance(happening, Next):
            self.state(happening)
        else:
            self.do(happening)
        self.shop.tandem.look(crash_after=1)

    def state(self, following: Next) -> None:
        self.revision += 1
        self.stated = following.content
        if following.config_first:
            self.write(following.way)
        self.shop.release(following.image, self._revision)
        if not following.config_first:
            self.write(following.way)

    def do(self, act: Act) -> None:
        match act:
            case Act.RE_APPLY:
                self.write()
            case Act.RE_CREATE:
                self.shop.lose(Kind.CONFIG_MAP, RENDERED)
                labels = {"app.oam.dev/name": "store", REVISION: self._revision}
                body = {"metadata": {"name": RENDERED, "labels": labels}, "data": self.stated}
                self.shop.model.create(Kind.CONFIG_MAP, body)
            case Act.GO_BACK:
                self.shop.ask_back()
            case Act.RETRY:
                self._edit({"metadata": {"annotations": {keys.RETRY: ""}}})
            case Act.COMPLETE:
                self.complete()
            case Act.WAIT:
                self.shop.tandem.settle(10)
            case Act.DISABLE | Act.ENABLE:
                self._edit({"spec": {"disabled": act is Act.DISABLE}})

    def write(self, way: Way = Way.ADMITTED) -> None:
        gone = dict.fromkeys(self.shop.content(RENDERED) or {})
        metadata = {"labels": {REVISION: self._revision}}
        body: Obj = {"metadata": metadata, "data": {**gone, **self.stated}}
        if way is Way.PAST:
            with self.shop.no_webhook():
                self.shop.model.edit(Kind.CONFIG_MAP, RENDERED, body)
        elif way is Way.BREAK_GLASS:
            self.shop.break_glass(body)
        else:
            self.shop.model.edit(Kind.CONFIG_MAP, RENDERED, body)

    def complete(self) -> None:
        for _ in range(8):
            self.shop.tandem.settle(10)
            try:
                self.shop.complete()
            except ApiError:
                continue  # The step did not wait yet.
            return

    @property
    def _revision(self) -> str:
        return f"store-v{self.revision}"

    def _edit(self, body: Obj) -> None:
        self.shop.model.edit(*WEB, body)
        self.shop.tandem.settle()


contents, ways = st.sampled_from(CONTENTS), st.sampled_from(Way)
following = st.builds(Next, st.sampled_from(IMAGES), contents, st.booleans(), ways)
happenings = st.lists(following | st.sampled_from(Act), min_size=1, max_size=12)
V2 = Next(IMAGES[0], CONTENTS[2])


@settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=list(HealthCheck),
)
@given(happenings, contents, ways)
# Its content was replaced by that of the version rejected before.
@example([V2, Act.GO_BACK, Act.WAIT], CONTENTS[4], Way.PAST)
@example([V2, Act.GO_BACK, Act.WAIT], CONTENTS[4], Way.BREAK_GLASS)
def test_the_next_version_runs_with_what_its_owner_states(
    happened: list[Act | Next], content: dict[str, str], way: Way
) -> None:
    story = Story()
    for each in happened:
        story.play(each)
    story.do(Act.ENABLE)
    story.complete()
    unseen = way is not Way.ADMITTED and story.shop.content(RENDERED) == content
    story.state(Next("r/web:99", content, way=way))
    story.complete()
    if unseen:
        # Nothing tells that an owner went back to what is there when admission was not asked.
        story.write()
    assert story.shop.model.sizes("web") == {"r/web:99": 4}
    assert story.shop.content(RENDERED) == content
    found = story.shop.model.store.get(Kind.CONFIG_MAP, RENDERED)["metadata"]
    assert keys.WITHHELD_CONFIG not in found["labels"]
