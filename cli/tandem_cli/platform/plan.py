"""Who gets a platform version in which wave, and who does not and why."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from tandem_cli.platform.standing import Key, Standing, Workload
from tandem_cli.platform.target import Target
from tandem_controller.api.meta import Model

EVERYBODY_PERCENT = 100
UNDER_WAY = (Standing.ACCEPTED, Standing.RELEASING)


class BadWavesError(ValueError):
    """The text of `--waves` is none; the message says what to write."""


@dataclass(frozen=True)
class Size:
    """How many workloads have the version when a wave ends: a number, or a share of all."""

    text: str
    number: int
    percent: bool

    def of(self, total: int) -> int:
        """Return the number of workloads; a share is rounded up, as Kruise's are."""
        wanted = ceil(total * self.number / 100) if self.percent else self.number
        return min(total, wanted)


class Wave(Model, frozen=True, omit_defaults=False):
    """One wave: whom it brings the version to. Those who have it already are not among them."""

    size: str
    until: int
    """So many have the version when it ends."""
    members: tuple[Key, ...]


class LeftOut(Model, frozen=True, omit_defaults=False):
    """A workload that the waves pass over, and why."""

    namespace: str
    name: str
    why: str


class Plan(Model, frozen=True, omit_defaults=False):
    """Everything that a roll would do, from what the cluster says now."""

    target: str
    total: int
    """Workloads that have the version or can get it now."""
    done: tuple[Key, ...]
    under_way: tuple[Key, ...]
    """In the middle of the very release: they are carried on, steps included."""
    waves: tuple[Wave, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def members(self) -> tuple[Key, ...]:
        """All whom a wave brings the version to, in order."""
        return tuple(key for wave in self.waves for key in wave.members)


def sizes(text: str) -> tuple[Size, ...]:
    """Read `--waves`: numbers and percentages, for instance `1,10%,100%`.

    Raises:
        BadWavesError: for anything else.
    """
    found = tuple(_size(part.strip()) for part in text.split(","))
    for kind in (True, False):
        numbers = [size.number for size in found if size.percent is kind]
        if numbers != sorted(numbers):
            raise BadWavesError(f"--waves {text!r}: each wave has to be larger than the one before")
    return found


def _size(text: str) -> Size:
    percent = text.endswith("%")
    number = text.removesuffix("%")
    largest = EVERYBODY_PERCENT if percent else sys.maxsize
    if not number.isdecimal() or not 0 < int(number) <= largest:
        raise BadWavesError(
            f"--waves: {text!r} is neither a number of workloads nor a percentage from 1% to 100%; "
            "write for instance 1,10%,100%"
        )
    return Size(text=text, number=int(number), percent=percent)


def make(
    target: Target,
    workloads: Iterable[Workload],
    frozen: Mapping[str, str],
    waves: Iterable[Size],
) -> Plan:
    """Plan the waves: by label `tandem.oam.dev/wave-order`, then by namespace and name.

    The sizes count those who have the version, so that the same command goes on where another
    one ended. `frozen` maps namespaces to reasons.
    """
    ordered = sorted(workloads, key=lambda w: (w.order, w.namespace, w.name))
    ready = [w for w in ordered if w.standing is Standing.HELD and w.namespace not in frozen]
    done = [w for w in ordered if w.standing is Standing.DONE]
    moving = [w for w in ordered if w.standing in UNDER_WAY]
    line = [w.key for w in (*done, *moving, *ready)]
    cut, missed = _cut(line, len(done), waves)
    beyond = set(missed) - {w.key for w in moving}
    return Plan(
        target=str(target),
        total=len(line),
        done=tuple(w.key for w in done),
        under_way=tuple(w.key for w in moving),
        waves=cut,
        left_out=tuple(
            LeftOut(namespace=w.namespace, name=w.name, why=_why(w, frozen))
            for w in ordered
            if w.key in beyond or w.key not in line
        ),
    )


def _cut(
    line: list[Key], done: int, waves: Iterable[Size]
) -> tuple[tuple[Wave, ...], tuple[Key, ...]]:
    """Cut the line into waves; those who have the version stand at its head."""
    found, start = [], done
    for size in waves:
        until = max(start, size.of(len(line)))
        found.append(Wave(size=size.text, until=until, members=tuple(line[start:until])))
        start = until
    return tuple(found), tuple(line[start:])


def _why(workload: Workload, frozen: Mapping[str, str]) -> str:
    if workload.standing is Standing.HELD and workload.namespace not in frozen:
        return "beyond the last wave"
    if workload.standing is Standing.HELD:
        return f"namespace {workload.namespace!r} is frozen: {frozen[workload.namespace]}"
    return workload.why or str(workload.standing)
