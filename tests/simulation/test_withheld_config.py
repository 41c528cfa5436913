"""Config after a rollback: a rejected version's content stays away while its owner states it."""

from __future__ import annotations

import pytest

from tandem_controller import keys
from tandem_controller.api.fingerprint import digest
from tandem_controller.decide.config.mark import Mark, mark_in
from tandem_controller.effect import Kind
from tests.simulation.bad_input import RENDERED, REVISION, Shop
from tests.simulation.merge import merged
from tests.simulation.model import TANDEM
from tests.simulation.rules import Obj

V1, V2, V3 = "r/web:1", "r/web:2", "r/web:3"
OLD: Obj = {"v": "1"}
NEW: Obj = {"v": "2", "w": "2"}
WEB = (Kind.ROLLOUT, "web")


@pytest.fixture
def shop() -> Shop:
    """Version 2 came with config of its own and was rolled back by kubectl."""
    found = Shop()
    state_config(found, NEW, "store-v2")
    found.release()
    found.go_back()
    assert found.content(RENDERED) == OLD
    return found


def state_config(shop: Shop, data: Obj, revision: str = "store-v2") -> None:
    """Write config as KubeVela does: it adds and changes keys, and removes none."""
    body = {"metadata": {"labels": {REVISION: revision}}, "data": data}
    shop.model.edit(Kind.CONFIG_MAP, RENDERED, body)


def live(shop: Shop) -> Obj:
    return shop.model.store.get(Kind.CONFIG_MAP, RENDERED)


def marked(shop: Shop) -> bool:
    """Whether label or annotation of a mark is there."""
    metadata = live(shop)["metadata"]
    parts = (metadata.get(part, {}) for part in ("labels", "annotations"))
    return any(keys.WITHHELD_CONFIG in part for part in parts)


class TestWhileAVersionIsRejected:
    def test_its_content_is_answered_with_the_old_one_for_ever(self, shop: Shop) -> None:
        for _ in range(3):
            state_config(shop, NEW)
            shop.tandem.settle()
            assert shop.content(RENDERED) == OLD
        assert shop.model.sizes("web") == {V1: 4}

    def test_a_repeated_write_changes_nothing_at_all(self, shop: Shop) -> None:
        state_config(shop, NEW)
        before = live(shop)
        state_config(shop, NEW)
        assert live(shop) == before

    def test_an_owner_that_drops_label_and_annotation_does_not_get_past(self, shop: Shop) -> None:
        drop = {part: {keys.WITHHELD_CONFIG: None} for part in ("labels", "annotations")}
        shop.model.edit(Kind.CONFIG_MAP, RENDERED, {"metadata": drop, "data": NEW})
        assert shop.content(RENDERED) == OLD
        assert marked(shop)

    def test_another_content_passes(self, shop: Shop) -> None:
        state_config(shop, {"v": "3"})
        assert shop.content(RENDERED) == {"v": "3"}
        assert not marked(shop)

    def test_a_platform_release_does_not_bring_it_back(self, shop: Shop) -> None:
        init = {"name": "init", "image": "r/init:2"}
        spec = {"template": {"spec": {"initContainers": [init]}}}
        shop.model.edit(Kind.DEPLOYMENT, "web", {"spec": spec})
        shop.tandem.settle()
        shop.model.edit(*WEB, {"metadata": {"annotations": {keys.ACCEPT: ""}}})
        shop.tandem.settle(10)
        shop.complete()
        assert shop.template()["spec"]["initContainers"][0]["image"] == "r/init:2"
        state_config(shop, NEW)
        assert shop.content(RENDERED) == OLD

    def test_break_glass_on_the_object_lets_it_through(self, shop: Shop) -> None:
        label = {"metadata": {"labels": {keys.BREAK_GLASS: "true"}}, "data": NEW}
        shop.model.edit(Kind.CONFIG_MAP, RENDERED, label)
        assert shop.content(RENDERED) == NEW

    def test_an_owner_that_makes_it_immutable_does_not_fix_the_old_content(
        self, shop: Shop
    ) -> None:
        body = {"metadata": {"labels": {REVISION: "store-v2"}}, "data": NEW, "immutable": True}
        shop.model.edit(Kind.CONFIG_MAP, RENDERED, body)
        assert shop.content(RENDERED) == OLD
        shop.release(V3, "store-v3")
        assert shop.content(RENDERED) == NEW

    def test_a_disabled_rollout_guards_nothing(self, shop: Shop) -> None:
        shop.model.edit(*WEB, {"spec": {"disabled": True}})
        shop.tandem.settle()
        state_config(shop, NEW)
        assert shop.content(RENDERED) == NEW
        assert not marked(shop)


class TestWhenTheRejectionEnds:
    def test_a_retried_version_finds_its_content_before_its_first_pod(self, shop: Shop) -> None:
        state_config(shop, NEW)
        shop.model.edit(*WEB, {"metadata": {"annotations": {keys.RETRY: ""}}})
        shop.tandem.settle(10)
        assert shop.model.sizes("web") == {V1: 3, V2: 1}
        assert shop.content(RENDERED) == NEW
        assert not marked(shop)
        assert shop.told("ConfigGivenBack")

    def test_the_next_version_finds_the_content_that_its_owner_states(self, shop: Shop) -> None:
        """It was written before the workload was, so still in the time of the rejection."""
        state_config(shop, NEW, "store-v3")
        assert shop.content(RENDERED) == OLD
        shop.release(V3, "store-v3")
        assert shop.content(RENDERED) == NEW
        assert not marked(shop)

    def test_the_next_version_keeps_the_old_content_that_its_owner_went_back_to(
        self, shop: Shop
    ) -> None:
        state_config(shop, OLD, "store-v3")
        shop.release(V3, "store-v3")
        assert shop.model.sizes("web") == {V1: 3, V3: 1}
        assert shop.content(RENDERED) == OLD
        assert not marked(shop)

    def test_content_that_was_stated_again_counts(self, shop: Shop) -> None:
        state_config(shop, OLD, "store-v3")
        state_config(shop, NEW, "store-v4")
        assert shop.content(RENDERED) == OLD
        shop.release(V3, "store-v4")
        assert shop.content(RENDERED) == NEW

    def test_without_the_copy_the_owner_is_let_write(self, shop: Shop) -> None:
        for name in [o["metadata"]["name"] for o in shop.model.store.all_of(Kind.CONFIG_MAP)]:
            if name.startswith(f"{RENDERED}-"):
                shop.lose(Kind.CONFIG_MAP, name)
        shop.release(V3, "store-v3")
        assert shop.told("ConfigGivenBack")[0].warning
        state_config(shop, NEW, "store-v3")
        assert shop.content(RENDERED) == NEW

    def test_what_an_owner_wrote_past_the_webhook_is_not_written_over(self, shop: Shop) -> None:
        other = {"v": "3"}
        with shop.no_webhook():
            state_config(shop, other, "store-v3")
        shop.release(V3, "store-v3")
        assert shop.content(RENDERED) == other
        assert not marked(shop)

    def test_what_an_owner_wrote_by_break_glass_is_not_written_over(self, shop: Shop) -> None:
        label = {"metadata": {"labels": {keys.BREAK_GLASS: "true"}}, "data": {"v": "3"}}
        shop.model.edit(Kind.CONFIG_MAP, RENDERED, label)
        shop.release(V3, "store-v3")
        assert shop.content(RENDERED) == {"v": "3"}
        assert not marked(shop)

    def test_content_stated_again_over_another_one_is_given_back(self, shop: Shop) -> None:
        with shop.no_webhook():
            shop.model.edit(Kind.CONFIG_MAP, RENDERED, {"data": {"v": "3"}})
        state_config(shop, NEW, "store-v3")
        assert shop.content(RENDERED) == {"v": "3"}
        shop.release(V3, "store-v3")
        assert shop.content(RENDERED) == NEW

    def test_an_owner_that_fixed_the_old_content_does_not_stop_the_next_version(
        self, shop: Shop
    ) -> None:
        shop.model.edit(Kind.CONFIG_MAP, RENDERED, {"immutable": True})
        shop.release(V3, "store-v3")
        assert shop.model.sizes("web") == {V1: 3, V3: 1}
        assert shop.content(RENDERED) == OLD
        assert not marked(shop)


def test_a_workload_that_is_created_again_finds_the_content_that_its_owner_states(
    shop: Shop,
) -> None:
    body = live_workload(shop, V2)
    shop.model.delete(Kind.DEPLOYMENT, "web")
    shop.tandem.settle()
    state_config(shop, NEW)
    shop.model.create(Kind.DEPLOYMENT, body)
    shop.tandem.settle(10)
    assert shop.model.sizes("web") == {V2: 4}
    assert shop.content(RENDERED) == NEW
    assert not marked(shop)


def test_with_the_rollout_the_guard_goes_and_its_mark_with_the_next_write(shop: Shop) -> None:
    shop.model.delete(*WEB)
    shop.tandem.settle()
    assert shop.content(RENDERED) == OLD
    state_config(shop, NEW)
    assert shop.content(RENDERED) == NEW
    assert not marked(shop)


def test_nothing_is_withheld_for_a_workload_that_is_gone(shop: Shop) -> None:
    """Config that the one created again does not read."""
    body = live_workload(shop, V2)
    body["spec"]["template"]["spec"]["volumes"] = []
    shop.model.delete(Kind.DEPLOYMENT, "web")
    shop.tandem.settle(2)
    shop.model.create(Kind.DEPLOYMENT, body)
    shop.tandem.settle(10)
    state_config(shop, NEW)
    assert shop.content(RENDERED) == NEW
    assert not marked(shop)


def test_another_rollouts_mark_stays_that_rollouts(shop: Shop) -> None:
    """Two Rollouts of one Application read one object, and both go back."""
    theirs: Obj = {"v": "9"}
    mark = Mark(
        record="other-1",
        content=digest({"data": NEW}),
        overlaid=digest({"data": theirs | NEW}),
        instead=digest({"data": theirs}),
    )
    body = {"metadata": mark.metadata("other"), "data": {**theirs, "w": None}}
    shop.model.store.patch(Kind.CONFIG_MAP, RENDERED, body, user=TANDEM)
    shop.release(V3, "store-v3")
    shop.go_back()
    assert shop.content(RENDERED) == OLD
    found = live(shop)["metadata"]
    assert found["labels"][keys.WITHHELD_CONFIG] == "other"
    assert mark_in(found["annotations"]) == mark.is_stated_over({"data": OLD})


def test_a_rejected_version_that_is_let_through_finds_its_content(shop: Shop) -> None:
    shop.model.edit(Kind.DEPLOYMENT, "web", {"metadata": {"labels": {keys.BREAK_GLASS: "true"}}})
    shop.release(V2)
    shop.tandem.settle(10)
    assert shop.model.sizes("web") == {V2: 4}
    assert shop.content(RENDERED) == NEW
    assert not marked(shop)


def live_workload(shop: Shop, image: str) -> Obj:
    """Return the workload as its owner creates it again, with another image."""
    found = shop.model.store.get(Kind.DEPLOYMENT, "web")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    spec = {"template": {"spec": {"containers": [{**container, "image": image}]}}}
    labels = found["metadata"]["labels"]
    body = {"metadata": {"name": "web", "labels": labels}, "spec": found["spec"]}
    stated: Obj = merged(body, {"spec": spec})
    return stated


def test_going_back_from_a_completed_version_withholds_its_content_too() -> None:
    shop = Shop()
    state_config(shop, NEW, "store-v2")
    shop.release()
    shop.complete()
    shop.go_back()
    shop.complete()
    assert shop.model.sizes("web") == {V1: 4}
    state_config(shop, NEW)
    assert shop.content(RENDERED) == OLD


def test_a_rollback_called_off_in_the_middle_gives_the_content_back() -> None:
    shop = Shop()
    state_config(shop, NEW, "store-v2")
    shop.release()
    shop.ask_back()
    assert shop.content(RENDERED) == OLD
    shop.model.edit(*WEB, {"metadata": {"annotations": {keys.RETRY: ""}}})
    shop.tandem.settle(10)
    assert shop.content(RENDERED) == NEW


def test_a_rollback_that_the_owner_stated_marks_nothing() -> None:
    shop = Shop()
    state_config(shop, NEW, "store-v2")
    shop.release()
    shop.release(V1, "store-v3")
    shop.tandem.settle(10)
    assert shop.content(RENDERED) == NEW
    assert not marked(shop)


def test_a_way_back_that_is_rejected_itself_leaves_nothing_withheld() -> None:
    shop = Shop()
    state_config(shop, NEW, "store-v2")
    shop.release()
    shop.complete()
    shop.ask_back()
    assert shop.content(RENDERED) == OLD
    shop.ask_back()
    shop.tandem.settle(10)
    assert shop.model.sizes("web") == {V2: 4}
    assert shop.content(RENDERED) == NEW
    assert not marked(shop)
