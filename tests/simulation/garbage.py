"""The garbage collector: what has owners and lost them all is deleted."""

from __future__ import annotations

from tests.simulation.store import Store


def collect(store: Store) -> None:
    """Delete the objects whose owners are all gone."""
    found = [(key, store.find(key.kind, key.name, key.namespace)) for key in store.keys()]  # noqa: SIM118 - no dict
    alive = {obj["metadata"]["uid"] for _, obj in found if obj}
    for key, obj in found:
        owners = obj["metadata"].get("ownerReferences", ()) if obj else ()
        if owners and not any(o["uid"] in alive for o in owners):
            store.delete(key.kind, key.name, namespace=key.namespace)
