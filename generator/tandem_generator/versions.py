"""The lock file: a definition's version stands for one content, for ever.

KubeVela keeps the old DefinitionRevision when content changes under the same version,
while the live definition moves on (kubevela#6796): two clusters with "the same" version
would then run different things.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import yaml

from tandem_generator import source
from tandem_generator.definitions import Generated

FILE = "versions.yaml"
_HEADER = """\
# Written by `tandem generate`: the content of every definition version, as SHA-256.
# A version never changes its content. Delete no line that was released.
"""
Lock = dict[str, dict[str, str]]


def digest(text: str) -> str:
    """Return the hash of a definition's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def load(file: Path) -> Lock:
    """Read the lock; an absent file is an empty one."""
    return source.load_one(file).convert(Lock) if file.exists() else {}


def extend(lock: Lock, made: Iterable[Generated]) -> Lock:
    """Return the lock with the definitions; refuse other content under a known version."""
    extended = {name: dict(versions) for name, versions in lock.items()}
    for definition in made:
        versions = extended.setdefault(definition.name, {})
        content = digest(definition.text)
        if versions.setdefault(definition.version, content) != content:
            raise _refusal(definition)
    return extended


def dump(lock: Lock) -> str:
    """Return the lock's file."""
    return _HEADER + yaml.safe_dump(lock, sort_keys=True)


def _refusal(definition: Generated) -> source.SourceError:
    document = source.load_one(definition.blueprint)
    major, minor, patch = definition.version.split(".")
    return document.error(
        ["version"],
        f"{definition.name} {definition.version} exists with other content: raise `version` to "
        f"{major}.{minor}.{int(patch) + 1} for a fix, {major}.{int(minor) + 1}.0 for something "
        f"new, {int(major) + 1}.0.0 where Applications have to change",
    )
