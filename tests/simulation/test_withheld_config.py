"""Config after a rollback: a rejected version's content stays away while its owner states it."""

from __future__ import annotations

import pytest

from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.simulation.bad_input import RENDERED, REVISION, Shop
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
