"""The objects of one kind as last seen, with indexes; the reconciler's only view.

Whose word counts when the watch and our own writes disagree? The newer
version's. ``resourceVersion`` was opaque for years; since Kubernetes 1.35
(KEP-5504, "Comparable Resource Version") versions of one resource compare as
decimal integers, and every etcd-backed server has numbered them so since 1.0.
We compare where both are decimal and otherwise let the watch win, as a server
outside that contract gives no other choice. Comparing is what makes reading
our own writes safe: the watch may still be delivering what was before them.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar


class Metadata(Protocol):
    """What the store must know of an object's metadata."""

    @property
    def namespace(self) -> str | None:
        """Empty or None for cluster-scoped kinds."""

    @property
    def name(self) -> str:
        """The object's name."""

    @property
    def uid(self) -> str:
        """Tells a re-created object from the one before."""

    @property
    def resource_version(self) -> str:
        """The write that made this state."""


class HasMetadata(Protocol):
    """A Kubernetes object, as far as the store cares."""

    @property
    def metadata(self) -> Metadata:
        """The object's metadata."""


T = TypeVar("T", bound=HasMetadata)


class Key(NamedTuple):
    """An object's place; the namespace is empty for cluster-scoped kinds."""

    namespace: str
    name: str


class Change(NamedTuple, Generic[T]):
    """What became of an object: created, changed, or (``new`` is None) deleted."""

    old: T | None
    new: T | None


class _Entry(NamedTuple, Generic[T]):
    obj: T
    places: tuple[tuple[str, Hashable], ...]
    """Where the indexes list it: (index name, value)."""


Index = Callable[[T], Iterable[Hashable]]


class Store(Generic[T]):
    """Objects by key and by index.

    An index is a function from an object to the values it is found under:
    ``Store({"workload": lambda rollout: [rollout.workload_key]})``. Every
    change costs the same however many objects there are.
    """

    def __init__(self, indexes: Mapping[str, Index[T]] | None = None) -> None:
        self._index_functions = dict(indexes or {})
        self._indexes: dict[str, dict[Hashable, set[Key]]] = {n: {} for n in self._index_functions}
        self._entries: dict[Key, _Entry[T]] = {}
        self._echo_pending: set[Key] = set()
        self._seen: int | None = None

    def get(self, namespace: str | None, name: str) -> T | None:
        """The object of that name, or None."""
        entry = self._entries.get(Key(namespace or "", name))
        return entry.obj if entry else None

    def list(self, namespace: str | None = None) -> tuple[T, ...]:
        """All objects, or those of one namespace."""
        return tuple(
            entry.obj
            for key, entry in self._entries.items()
            if namespace is None or key.namespace == namespace
        )

    def by_index(self, index_name: str, value: Hashable) -> tuple[T, ...]:
        """The objects that an index lists under a value, ordered by key."""
        keys = self._indexes[index_name].get(value, ())
        return tuple(self._entries[key].obj for key in sorted(keys))

    def __len__(self) -> int:
        return len(self._entries)

    def upsert(self, obj: T) -> tuple[Change[T], ...]:
        """Take what the watch delivered; no change where we know a newer state.

        The echo of our own write counts as a change, though nothing differs:
        a spare reconcile costs milliseconds, a missing one stops a release.
        """
        self.advance(obj.metadata.resource_version)
        key = key_of(obj)
        if self._knows_newer(key, obj.metadata.resource_version):
            return ()
        changes = self._put(key, obj)
        self._echo_pending.discard(key)
        return changes

    def delete(self, key: Key, resource_version: str | None = None) -> tuple[Change[T], ...]:
        """Take a deletion, unless the object was made again since.

        The version is that of the DELETED event, which is the deletion's own.
        """
        if resource_version is not None:
            self.advance(resource_version)
            if self._knows_newer(key, resource_version):
                return ()
        self._echo_pending.discard(key)
        return self._remove(key)

    def replace_all(
        self,
        objects: Iterable[T],
        resource_version: str | None = None,
        *,
        keep: Iterable[Key] = (),
    ) -> tuple[Change[T], ...]:
        """Take a whole list; the changes are what the watch did not tell.

        ``keep`` names objects that exist but could not be read: their last
        readable state stays. With the list's version, what we wrote after
        the list was taken stays too. A list older than what was seen means
        that etcd was restored from a backup: then the list is the truth.
        """
        listed = {key_of(obj): obj for obj in objects}
        rewound = self._begins_anew(resource_version)
        kept = set(keep)
        changes: list[Change[T]] = []
        for key in [key for key in self._entries if key not in listed and key not in kept]:
            if rewound or not self._written_after(key, resource_version):
                self._echo_pending.discard(key)
                changes += self._remove(key)
        for key, obj in listed.items():
            if self._differs(key, obj, rewound=rewound):
                self._echo_pending.discard(key)
                changes += self._put(key, obj)
        return tuple(changes)

    def observe_write(self, obj: T) -> bool:
        """Take what our own write returned, so that the next reconcile sees it.

        Ignored where the watch is already past that write: then either we
        hold something newer, or the object was deleted since and must not
        rise again. Ignored, too, where versions do not compare.
        """
        key, version = key_of(obj), _number(obj.metadata.resource_version)
        entry = self._entries.get(key)
        known = _number(entry.obj.metadata.resource_version) if entry else self._seen
        if version is None or (entry and known is None):
            return False
        if known is not None and version <= known:
            return False
        self._put(key, obj)
        self._echo_pending.add(key)
        return True

    def check(self, obj: T) -> None:
        """Raise what an index function raises on this object; change nothing."""
        self._places(obj)

    def advance(self, resource_version: str) -> None:
        """The watch has delivered everything up to this version (a bookmark says so)."""
        version = _number(resource_version)
        if version is not None and (self._seen is None or version > self._seen):
            self._seen = version

    def _begins_anew(self, resource_version: str | None) -> bool:
        """Whether time ran backwards; the list's version is where we are now."""
        version = _number(resource_version)
        rewound = version is not None and self._seen is not None and version < self._seen
        if version is not None:
            self._seen = version
        return rewound

    def _knows_newer(self, key: Key, resource_version: str) -> bool:
        entry = self._entries.get(key)
        return entry is not None and _newer(entry.obj.metadata.resource_version, resource_version)

    def _written_after(self, key: Key, resource_version: str | None) -> bool:
        return (
            key in self._echo_pending
            and resource_version is not None
            and self._knows_newer(key, resource_version)
        )

    def _differs(self, key: Key, obj: T, *, rewound: bool) -> bool:
        entry = self._entries.get(key)
        if entry is None or rewound:
            return entry is None or not _same_state(entry.obj, obj)
        if self._knows_newer(key, obj.metadata.resource_version):
            return False
        return key in self._echo_pending or not _same_state(entry.obj, obj)

    def _put(self, key: Key, obj: T) -> tuple[Change[T], ...]:
        # Index functions may raise; nothing is touched before they returned.
        places = self._places(obj)
        entry = self._entries.get(key)
        if entry:
            self._unlist(key, entry)
        self._entries[key] = _Entry(obj, places)
        for name, value in places:
            self._indexes[name].setdefault(value, set()).add(key)
        if entry and entry.obj.metadata.uid != obj.metadata.uid:
            return Change(entry.obj, None), Change(None, obj)
        return (Change(entry.obj if entry else None, obj),)

    def _remove(self, key: Key) -> tuple[Change[T], ...]:
        entry = self._entries.pop(key, None)
        if entry is None:
            return ()
        self._unlist(key, entry)
        return (Change(entry.obj, None),)

    def _places(self, obj: T) -> tuple[tuple[str, Hashable], ...]:
        functions = self._index_functions.items()
        return tuple((name, value) for name, function in functions for value in function(obj))

    def _unlist(self, key: Key, entry: _Entry[T]) -> None:
        for name, value in entry.places:
            keys = self._indexes[name].get(value)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._indexes[name][value]


def key_of(obj: HasMetadata) -> Key:
    """Where an object is stored."""
    return Key(obj.metadata.namespace or "", obj.metadata.name)


def _same_state(one: HasMetadata, other: HasMetadata) -> bool:
    return (one.metadata.uid, one.metadata.resource_version) == (
        other.metadata.uid,
        other.metadata.resource_version,
    )


def _newer(one: str, other: str) -> bool:
    """Whether ``one`` is surely the later version; unknown is False."""
    first, second = _number(one), _number(other)
    return first is not None and second is not None and first > second


def _number(resource_version: str | None) -> int | None:
    if resource_version and resource_version.isascii() and resource_version.isdigit():
        return int(resource_version)
    return None
