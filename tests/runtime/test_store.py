"""The store: what it holds, what it reports, and whose word counts."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tandem_controller.kube.store import Change, Key, Store, key_of
from tests.runtime.things import Thing, thing


def colors(obj: Thing) -> Iterable[str]:
    return [obj.spec.color]


def new_store(*things: Thing, version: int = 0) -> Store[Thing]:
    store = Store[Thing]({"color": colors})
    store.replace_all(things, str(version or max((int(v(t)) for t in things), default=1)))
    return store


def v(obj: Thing) -> str:
    return obj.metadata.resource_version


names = st.sampled_from("abcd")
color_names = st.sampled_from(["red", "blue", "green"])
contents = st.dictionaries(names, st.tuples(color_names, st.sampled_from(["u1", "u2"])), max_size=4)


@given(contents, contents)
def test_a_relist_reports_exactly_the_difference(
    before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]
) -> None:
    def things(world: dict[str, tuple[str, str]], base: int) -> list[Thing]:
        same = {name for name in world if before.get(name) == after.get(name)}
        return [
            thing(name, 10 if name in same else base, color, uid)
            for name, (color, uid) in world.items()
        ]

    store = new_store(*things(before, 20), version=20)
    changes = store.replace_all(things(after, 30), "30")
    gone = {c.old.metadata.name for c in changes if c.old and not c.new}
    new = {c.new.metadata.name for c in changes if c.new and not c.old}
    changed = {c.new.metadata.name for c in changes if c.new and c.old}
    both = before.keys() & after.keys()
    made_again = {name for name in both if before[name][1] != after[name][1]}
    assert gone == (before.keys() - after.keys()) | made_again
    assert new == (after.keys() - before.keys()) | made_again
    assert changed == {name for name in both if before[name] != after[name]} - made_again
    assert {t.metadata.name: (t.spec.color, t.metadata.uid) for t in store.list()} == after


class StoreAgainstPlainDict(RuleBasedStateMachine):
    """Whatever happens, contents and indexes equal those of a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.store = new_store()
        self.model: dict[Key, Thing] = {}
        self.version = 10

    def next_thing(self, name: str, color: str) -> Thing:
        self.version += 1
        return thing(name, self.version, color)

    @rule(name=names, color=color_names)
    def watch_delivers(self, name: str, color: str) -> None:
        obj = self.next_thing(name, color)
        old = self.model.get(key_of(obj))
        assert self.store.upsert(obj) == (Change(old, obj),)
        self.model[key_of(obj)] = obj

    @rule(name=names, color=color_names)
    def we_write(self, name: str, color: str) -> None:
        obj = self.next_thing(name, color)
        assert self.store.observe_write(obj)
        self.model[key_of(obj)] = obj

    @rule(name=names)
    def watch_deletes(self, name: str) -> None:
        self.version += 1
        key = Key("ns", name)
        old = self.model.pop(key, None)
        changes = self.store.delete(key, str(self.version))
        assert changes == ((Change(old, None),) if old else ())

    @rule(name=names, color=color_names, age=st.integers(1, 5))
    def something_late_arrives(self, name: str, color: str, age: int) -> None:
        """Older than what is held: it must change nothing."""
        held = self.model.get(Key("ns", name))
        if held is not None:
            late = thing(name, int(v(held)) - age, color)
            assert self.store.upsert(late) == ()
            assert not self.store.observe_write(late)
            assert self.store.delete(key_of(late), v(late)) == ()

    @rule(world=st.dictionaries(names, color_names))
    def relist(self, world: dict[str, str]) -> None:
        listed = [self.next_thing(name, color) for name, color in world.items()]
        self.store.replace_all(listed, str(self.version))
        self.model = {key_of(obj): obj for obj in listed}

    @invariant()
    def contents_are_equal(self) -> None:
        assert {key_of(obj): obj for obj in self.store.list()} == self.model
        assert len(self.store) == len(self.model)

    @invariant()
    def indexes_are_equal(self) -> None:
        for color in ("red", "blue", "green"):
            expected = sorted(key for key, obj in self.model.items() if obj.spec.color == color)
            assert [key_of(obj) for obj in self.store.by_index("color", color)] == expected


TestStoreAgainstPlainDict = StoreAgainstPlainDict.TestCase


def test_our_write_is_seen_before_the_watch_tells() -> None:
    store = new_store(thing("a", 10, "red"))
    assert store.observe_write(thing("a", 20, "blue"))
    assert store.upsert(thing("a", 15, "green")) == ()
    assert [t.spec.color for t in store.list()] == ["blue"]
    assert store.by_index("color", "blue")


def test_the_echo_of_our_write_is_reported_once() -> None:
    store = new_store(thing("a", 10))
    ours = thing("a", 20)
    store.observe_write(ours)
    assert store.upsert(ours) == (Change(ours, ours),)


def test_the_echo_of_our_write_is_reported_by_a_relist_too() -> None:
    store = new_store(thing("a", 10))
    ours = thing("a", 20)
    store.observe_write(ours)
    assert store.replace_all([ours], "30") == (Change(ours, ours),)
    assert store.replace_all([ours], "40") == ()


def test_what_was_deleted_since_our_write_does_not_rise_again() -> None:
    store = new_store(thing("a", 10))
    store.delete(Key("ns", "a"), "25")
    assert not store.observe_write(thing("a", 20))
    assert len(store) == 0


def test_what_we_create_is_there_at_once() -> None:
    store = new_store(version=10)
    assert store.observe_write(thing("new", 20))
    assert store.get("ns", "new")


def test_a_late_deletion_of_the_one_before_spares_what_we_created() -> None:
    store = new_store(thing("a", 10, uid="old"))
    store.observe_write(thing("a", 30, uid="new"))
    assert store.delete(Key("ns", "a"), "20") == ()
    assert store.get("ns", "a")


def test_a_list_taken_before_our_creation_spares_it() -> None:
    store = new_store(version=10)
    store.observe_write(thing("new", 20))
    assert store.replace_all([], "15") == ()
    assert store.get("ns", "new")
    assert store.replace_all([], "25") == (Change(thing("new", 20), None),)


def test_after_a_restore_from_a_backup_the_list_is_the_truth() -> None:
    store = new_store(thing("a", 900, "late"), thing("b", 905), version=905)
    changes = store.replace_all([thing("a", 200, "restored")], "210")
    assert len(changes) == 2
    assert [t.spec.color for t in store.list()] == ["restored"]
    assert store.upsert(thing("a", 220, "on")), "time goes on from there"


@pytest.mark.parametrize("version", ["", "abc", "1.5", "-3", "٣"])
def test_versions_that_do_not_compare_leave_the_word_to_the_watch(version: str) -> None:
    store = Store[Thing]()
    store.replace_all([thing("a", "opaque-1")], "opaque-1")
    assert not store.observe_write(thing("a", version))
    assert store.upsert(thing("a", version))
    assert store.delete(Key("ns", "a"), version)


def test_unreadable_objects_keep_their_last_readable_state() -> None:
    store = new_store(thing("a", 10), thing("b", 10))
    assert store.replace_all([], "20", keep=[Key("ns", "a")]) == (Change(thing("b", 10), None),)
    assert store.get("ns", "a") == thing("a", 10)


def test_an_index_that_raises_changes_nothing() -> None:
    def index(obj: Thing) -> Iterable[str]:
        if obj.spec.color == "bad":
            raise ValueError("no color")
        return [obj.spec.color]

    store = Store[Thing]({"color": index})
    store.replace_all([thing("a", 1, "red")], "1")
    with pytest.raises(ValueError, match="no color"):
        store.upsert(thing("a", 2, "bad"))
    assert store.by_index("color", "red") == (thing("a", 1, "red"),)
    assert store.get("ns", "a") == thing("a", 1, "red")


def test_namespaces_and_cluster_scope_are_kept_apart() -> None:
    store = new_store(thing("a", 1, ns="one"), thing("a", 2, ns="two"), thing("a", 3, ns=""))
    assert len(store) == 3
    assert [v(t) for t in store.list("one")] == ["1"]
    found = store.get(None, "a")
    assert found is not None
    assert v(found) == "3"
