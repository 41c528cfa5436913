"""Trait patches, merged as KubeVela merges them.

The rules are comments in the CUE (kubevela/workflow `pkg/cue/model/sets/operation.go`):
`+patchKey=k` merges a list by the field k and appends what is new, `+patchStrategy=retainKeys`
lets a scalar be overwritten, `+patchStrategy=replace` swaps the value. Without a rule
two values must agree. Offline, a rule belongs to the field's name wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tandem_generator.source import Json

_RULE = re.compile(r"^//\s*\+(patchKey|patchStrategy)=(.+)$")
_CHAIN = re.compile(r'^(?:(?:"[^"]+"|\w+)[?!]?:\s*)+')
_LABEL = re.compile(r'"([^"]+)"|(\w+)')


class Rule(msgspec.Struct, frozen=True):
    """How one field is merged."""

    key: str = ""
    strategy: str = ""


class PatchConflictError(Exception):
    """A patch and its object say different things."""


def rules(cue_text: str) -> dict[str, Rule]:
    """Read the merge rules of a definition from its comments."""
    found: dict[str, Rule] = {}
    pending = Rule()
    for line in (raw.strip() for raw in cue_text.splitlines()):
        if rule := _RULE.match(line):
            key = rule[2].strip()
            pending = (
                Rule(key, pending.strategy) if rule[1] == "patchKey" else Rule(pending.key, key)
            )
        elif line and not line.startswith("//"):
            if pending != Rule() and (chain := _CHAIN.match(line)):
                found["".join(_LABEL.findall(chain[0])[-1])] = pending
            pending = Rule()
    return found


def merge(base: Json, patch: Json, by: Mapping[str, Rule], path: str = "") -> Json:
    """Return the base with the patch in it."""
    rule = by.get(path.rpartition(".")[2], Rule())
    if rule.strategy == "replace":
        return patch
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        return _merge_objects(base, patch, by, path)
    if isinstance(base, list) and isinstance(patch, list):
        return _merge_lists(base, patch, by, path)
    if base == patch or rule.strategy == "retainKeys":
        return patch
    raise PatchConflictError(f"{path} is {base!r} and the patch says {patch!r}")


def _merge_objects(
    base: Mapping[str, Any], patch: Mapping[str, Any], by: Mapping[str, Rule], path: str
) -> dict[str, Any]:
    merged = dict(base)
    for key, value in patch.items():
        where = f"{path}.{key}".lstrip(".")
        merged[key] = merge(base[key], value, by, where) if key in base else value
    return merged


def _merge_lists(base: list[Any], patch: list[Any], by: Mapping[str, Rule], path: str) -> list[Any]:
    key = by.get(path.rpartition(".")[2], Rule()).key
    if not key:
        if len(base) != len(patch):
            raise PatchConflictError(f"{path} has {len(base)} items and the patch {len(patch)}")
        return [merge(b, p, by, path) for b, p in zip(base, patch, strict=True)]
    merged = list(base)
    for item in patch:
        same = [i for i, b in enumerate(merged) if b.get(key) == item.get(key)]
        if same:
            merged[same[0]] = merge(merged[same[0]], item, by, f"{path}[{item.get(key)}]")
        else:
            merged.append(item)
    return merged
