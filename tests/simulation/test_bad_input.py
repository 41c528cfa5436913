"""Bad input of a rollback: config that is gone or changed, moved tags, records lost or forged."""

from __future__ import annotations

import json

import pytest

from tandem_controller.api.config import ConfigObject
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.config.copy import copy_name
from tandem_controller.decide.rollback_check import RECHECK
from tandem_controller.effect import Kind
from tests.simulation.bad_input import FOREIGN, RENDERED, Shop
from tests.simulation.rules import Obj

V1, V2, V3 = "r/web:1", "r/web:2", "r/web:3"


@pytest.fixture
def shop() -> Shop:
    return Shop()


class TestEvidence:
    def test_is_written_before_the_rollout_says_healthy(self, shop: Shop) -> None:
        assert shop.tandem.status()["phase"] == "Healthy"
        found = shop.evidence(V1)
        assert found["applicationRevision"] == "store-v1"
        assert [(i["name"], i["image"]) for i in found["images"]] == [("app", V1)]
        assert found["images"][0]["digests"][0].startswith("r/web@sha256:")
        assert {(c["kind"], c["name"], "copy" in c) for c in found["config"]} == {
            ("ConfigMap", FOREIGN, False),
            ("ConfigMap", RENDERED, True),
            ("Secret", "password", True),
        }

    def test_never_holds_what_a_secret_holds(self, shop: Shop) -> None:
        told = json.dumps(shop.model.store.all_of(Kind.RELEASE_RECORD))
        told += repr(shop.tandem.notes)
        told += repr(shop.model.find(Kind.SECRET, "password", ConfigObject))
        assert "aHVudGVyMg" not in told

    def test_copies_what_the_application_renders_and_nothing_else(self, shop: Shop) -> None:
        copies = [o for o in shop.model.store.all_of(Kind.CONFIG_MAP) if o.get("immutable")]
        (copy,) = copies
        assert copy["metadata"]["name"].startswith(f"{RENDERED}-")
        assert copy["data"] == {"v": "1"}
        assert copy["metadata"]["labels"] == {"tandem.oam.dev/rollout": "web"}
        (owner,) = copy["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("ReleaseRecord", shop.name(V1))

    def test_copies_go_with_the_last_record_that_needs_them(self, shop: Shop) -> None:
        shop.release()
        shop.complete()
        names = {c["copy"] for c in shop.evidence(V2)["config"] if c.get("copy")}
        assert names == {c["copy"] for c in shop.evidence(V1)["config"] if c.get("copy")}
        shop.lose(Kind.RELEASE_RECORD, shop.name(V1))
        shop.model.settle()
        assert {n for n in names if shop.content(n) or shop.content(n, Kind.SECRET)} == names
        shop.lose(Kind.RELEASE_RECORD, shop.name(V2))
        shop.model.settle()
        assert not any(shop.content(n) or shop.content(n, Kind.SECRET) for n in names)

    def test_is_read_anew_under_another_revision_of_the_application(self, shop: Shop) -> None:
        before = shop.evidence(V1)
        shop.change(RENDERED, {"v": "1b"})
        shop.release(V1, "store-v2")
        after = shop.evidence(V1)
        assert after["applicationRevision"] == "store-v2"
        assert after["config"] != before["config"]
        assert len(shop.record(V1)["status"]["attempts"]) == 1


class TestConfigAtARollback:
    def test_that_is_gone_without_a_copy_stops_it_before_traffic_moves(self, shop: Shop) -> None:
        shop.release()
        before = shop.weights(), shop.model.sizes("web")
        shop.lose(Kind.CONFIG_MAP, FOREIGN)
        shop.go_back()
        assert (shop.weights(), shop.model.sizes("web")) == before
        assert shop.message().startswith("the rollback stops before traffic moves: ")
        for part in (f"ConfigMap '{FOREIGN}' is gone", "containers[0].envFrom[0]", "create it"):
            assert part in shop.message()

    def test_that_comes_back_lets_it_go_on(self, shop: Shop) -> None:
        shop.release()
        shop.lose(Kind.CONFIG_MAP, FOREIGN)
        shop.ask_back()
        shop.model.create(Kind.CONFIG_MAP, {"metadata": {"name": FOREIGN}, "data": {"x": "1"}})
        shop.tandem.settle(25)
        assert shop.model.sizes("web") == {V1: 4}
        assert shop.tandem.status()["phase"] == "Healthy"

    def test_that_is_gone_is_looked_for_again_soon(self, shop: Shop) -> None:
        shop.release()
        shop.lose(Kind.CONFIG_MAP, FOREIGN)
        shop.ask_back()
        found = shop.model.find(Kind.ROLLOUT, "web", Rollout)
        assert found is not None
        wake_at = shop.tandem.decide(found).wake_at
        assert wake_at is not None
        assert abs(wake_at - shop.model.now - RECHECK).total_seconds() < 1

    def test_that_is_gone_and_optional_does_not_stop_it(self) -> None:
        shop = Shop(optional=True)
        shop.release()
        shop.lose(Kind.CONFIG_MAP, FOREIGN)
        shop.go_back()
        assert shop.model.sizes("web") == {V1: 4}
        assert "it is optional" in shop.told("ConfigDiffers")[0].message

    def test_that_is_gone_never_holds_a_deletion(self, shop: Shop) -> None:
        policy = {"metadata": {"name": "web"}, "spec": {"onDelete": "Rollback"}}
        shop.model.create(Kind.RELEASE_POLICY, policy)
        shop.release()
        shop.lose(Kind.CONFIG_MAP, FOREIGN)
        shop.model.delete(Kind.ROLLOUT, "web")
        shop.tandem.settle(10)
        assert shop.model.store.find(Kind.ROLLOUT, "web") is None
        assert shop.model.sizes("web") == {V1: 4}
        assert f"ConfigMap '{FOREIGN}' is gone" in shop.told("ConfigDiffers")[0].message

    def test_without_a_key_that_a_pod_needs_stops_it(self, shop: Shop) -> None:
        shop.release()
        shop.lose(Kind.SECRET, "password")
        for copy in shop.copies(V1, "password"):
            shop.lose(Kind.SECRET, copy)
        body = {"metadata": {"name": "password"}, "data": {"q": "aHVudGVyMg=="}}
        shop.model.create(Kind.SECRET, body)
        shop.go_back()
        assert "Secret 'password' has no key 'p'" in shop.message()
        assert shop.model.sizes("web") != {V1: 4}

    def test_that_is_gone_is_created_again_from_its_copy(self, shop: Shop) -> None:
        shop.release()
        for kind, name in ((Kind.CONFIG_MAP, RENDERED), (Kind.SECRET, "password")):
            shop.lose(kind, name)
        shop.go_back()
        assert shop.model.sizes("web") == {V1: 4}
        assert shop.content(RENDERED) == {"v": "1"}
        assert shop.content("password", Kind.SECRET) == {"p": "aHVudGVyMg=="}
        labels = shop.model.store.get(Kind.CONFIG_MAP, RENDERED)["metadata"]["labels"]
        assert labels == {"app.oam.dev/name": "store"}
        assert shop.told("ConfigRestored")

    def test_that_changed_is_put_back_from_its_copy(self, shop: Shop) -> None:
        shop.change(RENDERED, {"w": "2"})
        shop.release()
        shop.go_back()
        assert shop.content(RENDERED) == {"v": "1"}
        assert "holds another content" in shop.told("ConfigRestored")[0].message

    def test_is_not_put_back_over_an_owner_that_stated_the_old_version(self, shop: Shop) -> None:
        shop.release()
        shop.change(RENDERED, {"v": "stated"})
        shop.release(V1, "store-v3")
        shop.tandem.settle(10)
        assert shop.model.sizes("web") == {V1: 4}
        assert shop.content(RENDERED) == {"v": "stated"}
        assert not shop.told("ConfigRestored")
        assert shop.told("ConfigDiffers")

    def test_that_changed_without_a_copy_is_told_and_left(self, shop: Shop) -> None:
        shop.release()
        shop.change(FOREIGN, {"x": "2"})
        shop.go_back()
        assert shop.content(FOREIGN) == {"x": "2"}
        assert f"ConfigMap '{FOREIGN}' holds another" in shop.told("ConfigDiffers")[0].message

    def test_a_forged_copy_is_not_used(self, shop: Shop) -> None:
        (name,) = shop.copies(V1, RENDERED)
        copy = shop.model.store.get(Kind.CONFIG_MAP, name)
        shop.lose(Kind.CONFIG_MAP, name)
        shop.model.create(Kind.CONFIG_MAP, {**copy, "data": {"v": "forged"}})
        shop.release()
        shop.lose(Kind.CONFIG_MAP, RENDERED)
        shop.go_back()
        assert shop.content(RENDERED) is None
        assert "is gone" in shop.message()

    def test_of_an_earlier_release_is_looked_at_before_it_is_stated(self, shop: Shop) -> None:
        shop.release()
        shop.complete()
        shop.lose(Kind.CONFIG_MAP, FOREIGN)
        shop.go_back()
        assert shop.model.sizes("web") == {V2: 4}
        assert f"ConfigMap '{FOREIGN}' is gone" in shop.message()


class TestImageTag:
    def test_that_moved_is_told_at_the_rollback(self, shop: Shop) -> None:
        shop.release()
        self.move(shop, V1)
        shop.go_back()
        (told, *_) = shop.told("TagMoved")
        assert f"image {V1} ran as r/web@sha256:" in told.message
        assert "r/web@sha256:moved" in told.message
        reasons = [note.reason for note in shop.tandem.notes]
        assert reasons.index("TagMoved") < reasons.index("RolledBack")
        assert len(shop.told("TagMoved")) == 2, "once before traffic moves, once at the end"

    def test_that_stands_for_the_same_is_not_told(self, shop: Shop) -> None:
        shop.release()
        shop.go_back()
        assert shop.told("TagMoved") == []

    @staticmethod
    def move(shop: Shop, image: str) -> None:
        """Let the pods of an image that are ready now say that they run another digest."""
        for pod in shop.model.store.all_of(Kind.POD):
            if pod["spec"]["containers"][0]["image"] == image:
                statuses = [
                    {**c, "imageID": "r/web@sha256:moved"}
                    for c in pod["status"]["containerStatuses"]
                ]
                status = {**pod["status"], "containerStatuses": statuses}
                shop.model.store.replace_status(Kind.POD, pod["metadata"]["name"], status)


class TestLostRecords:
    def test_the_stable_one_at_rest_is_written_anew(self, shop: Shop) -> None:
        shop.release()
        shop.complete()
        lost = shop.record(V2)
        shop.lose(Kind.RELEASE_RECORD, lost["metadata"]["name"])
        shop.tandem.settle()
        found = shop.record(V2)
        assert found["spec"] == lost["spec"]
        assert found["status"]["attempts"][-1]["outcome"] == "Baseline"
        assert shop.told("RecordRebuilt")
        assert not shop.told("ReleaseEscaped")

    def test_the_stable_one_in_mid_release_is_written_anew_and_rolled_back_to(
        self, shop: Shop
    ) -> None:
        shop.release()
        shop.complete()
        shop.release(V3, "store-v3")
        spec = shop.record(V2)["spec"]
        shop.lose(Kind.RELEASE_RECORD, shop.name(V2))
        shop.tandem.settle()
        assert shop.model.sizes("web") == {V2: 3, V3: 1}
        assert shop.record(V2)["spec"] == spec
        shop.go_back()
        assert shop.model.sizes("web") == {V2: 4}
        assert shop.weights() == {"web": 1}

    def test_the_stable_one_without_its_replica_set_freezes_the_release(self, shop: Shop) -> None:
        shop.release()
        shop.lose(Kind.RELEASE_RECORD, shop.name(V1))
        before = shop.model.sizes("web"), shop.weights()
        self.disguise(shop)
        shop.go_back()
        assert (shop.model.sizes("web")[V2], shop.weights()) == (before[0][V2], before[1])
        assert "the release stands still" in shop.message()

    @staticmethod
    def disguise(shop: Shop) -> None:
        """Let the ReplicaSet of version 1 hold a template that nobody knows."""
        for rs in shop.model.store.all_of(Kind.REPLICA_SET):
            if rs["spec"]["template"]["spec"]["containers"][0]["image"] == V1:
                spec = {"template": {"metadata": {"annotations": {"who": "knows"}}}}
                shop.model.store.patch(Kind.REPLICA_SET, rs["metadata"]["name"], {"spec": spec})

    def test_that_of_the_release_begins_it_anew_with_the_users_fields(self, shop: Shop) -> None:
        before = users_fields(shop)
        shop.release()
        shop.lose(Kind.RELEASE_RECORD, shop.name(V2))
        shop.tandem.settle(10)
        assert shop.model.sizes("web") == {V1: 3, V2: 1}
        shop.complete()
        assert shop.model.sizes("web") == {V2: 4}
        assert users_fields(shop) == before

    def test_the_frozen_release_ends_with_its_rollout(self, shop: Shop) -> None:
        before = users_fields(shop)
        shop.release()
        shop.lose(Kind.RELEASE_RECORD, shop.name(V1))
        self.disguise(shop)
        shop.tandem.settle()
        shop.model.delete(Kind.ROLLOUT, "web")
        shop.tandem.settle(10)
        assert shop.model.store.find(Kind.ROLLOUT, "web") is None
        assert shop.model.sizes("web") == {V2: 4}
        assert users_fields(shop) == before


def users_fields(shop: Shop) -> Obj:
    """What a release changes of the user's objects."""
    spec = shop.model.store.get(Kind.DEPLOYMENT, "web")["spec"]
    names = ("strategy", "minReadySeconds", "progressDeadlineSeconds", "paused")
    route = shop.model.store.get(Kind.HTTP_ROUTE, "web")["spec"]
    selector = shop.model.store.get(Kind.SERVICE, "web")["spec"]["selector"]
    return {**{n: spec.get(n) or 0 for n in names}, "route": route, "selector": selector}


FORGED: Obj = {"template": {"spec": {"priorityClassName": "forged"}}}


class TestForgedRecords:
    def test_the_stable_one_is_replaced_by_a_true_one(self, shop: Shop) -> None:
        spec = shop.record(V1)["spec"]
        shop.forge(shop.name(V1), FORGED)
        shop.tandem.settle()
        assert shop.record(V1)["spec"] == spec
        (told,) = shop.told("RecordDamaged")
        assert "spec.fingerprint is" in told.message

    def test_the_stable_one_in_mid_release_is_not_rolled_back_to(self, shop: Shop) -> None:
        shop.release()
        shop.forge(shop.name(V1), FORGED)
        shop.go_back()
        assert shop.model.sizes("web") == {V1: 4}
        assert "priorityClassName" not in shop.template()["spec"]

    def test_an_old_one_is_marked_once_and_refused(self, shop: Shop) -> None:
        shop.release()
        shop.complete()
        forged = shop.name(V1)
        shop.forge(forged, FORGED)
        shop.tandem.settle()
        wish = {"metadata": {"annotations": {"tandem.oam.dev/rollback": forged}}}
        shop.model.edit(Kind.ROLLOUT, "web", wish)
        shop.tandem.settle(10)
        assert shop.model.sizes("web") == {V2: 4}
        assert "tandem.oam.dev/damaged" in shop.record(V1)["metadata"]["annotations"]
        assert len(shop.told("RecordDamaged")) == 1
        assert shop.told("RollbackRefused")


def test_a_copys_name_is_one_that_the_api_server_takes() -> None:
    assert copy_name("a" * 250, "f" * 64) == "a" * 242 + "-" + "f" * 10
    assert copy_name("a" * 241 + ".b", "f" * 64) == "a" * 241 + "-" + "f" * 10
