"""docs/vela-commands.md, row by row: what `vela workflow` does in each state of a release."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tandem_controller.effect import Kind
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.wait import StillNotSo, wait_for
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application, phase

pytestmark = pytest.mark.kubevela

PAGE = Path(__file__).parents[2] / "docs" / "vela-commands.md"
QUIET_SECONDS = 3.0
"""Longer than a step with ready pods takes, its dwell included."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One command and what is seen after it."""

    command: str
    says: str
    application: str
    release: str
    pods: str

    @property
    def seen(self) -> tuple[str, str, str]:
        """What `Session.seen` is to return."""
        return self.application, self.release, self.pods


def sections() -> Iterator[tuple[str, tuple[Row, ...]]]:
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        lines = [line for line in text.splitlines() if re.match(r"\|[^-]", line)]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        names = [name.lower() for name in cells[0]]
        yield title, tuple(Row(**dict(zip(names, row, strict=True))) for row in cells[1:])


def cases() -> Iterator[Any]:
    for title, rows in sections():
        for published in (False, True):
            named = "publishVersion" in title
            if not named or published is not ("without" in title):
                suffix = "" if named else (", with" if published else ", without")
                yield pytest.param(rows, published, id=f"{title}{suffix}")


class Session:
    """One Application and who types commands at it."""

    def __init__(self, bed: VelaBed, *, published: bool) -> None:
        self.bed = bed
        self._published = published
        self._versions = 0

    def run(self, command: str, *, fails: bool) -> str:
        """Run `up IMAGE` or a verb of `vela workflow`; return what it says."""
        verb, _, image = command.partition(" ")
        if verb != "up":
            return self._type(verb, fails=fails)
        self._versions += 1
        version = f"p{self._versions}" if self._published else None
        return self.bed.up(application("init:v1", f"shop:{image}", version=version))

    def _type(self, verb: str, *, fails: bool) -> str:
        """A resume that met a conflict may have approved a step: no user types that again."""
        if fails or verb == "resume":
            return self.bed.vela("workflow", verb, "shop", fails=fails)
        return self.bed.insist("workflow", verb, "shop")

    async def seen(self) -> tuple[str, str, str]:
        """Return phase of the Application, place of the release, and pods by version."""
        rollout = await self.bed.get(Kind.ROLLOUT, "shop")
        sizes = await self.bed.sizes("shop")
        pods = sorted((image.removeprefix("shop:"), count) for image, count in sizes.items())
        return (
            phase(await self.bed.application()),
            place(rollout),
            ", ".join(f"{count} {version}" for version, count in pods),
        )

    async def until(self, row: Row) -> None:
        """Wait until Application, Rollout and the number of pods are as a row says."""
        await self.bed.until_application(lambda found: phase(found) == row.application)
        await self.bed.until(
            Kind.ROLLOUT, "shop", lambda o: o is not None and place(o) == row.release
        )
        # A step works before its first pod is there.
        total = sum(int(count) for count in re.findall(r"\b\d+(?= )", row.pods))
        await self.bed.until(
            Kind.DEPLOYMENT, "shop", lambda o: (o or {})["status"].get("replicas", 0) == total
        )

    async def stays(self, row: Row) -> None:
        """Watch the Rollout stay where a row says."""
        with pytest.raises(StillNotSo):
            await wait_for(
                self.bed.client,
                KNOWN[Kind.ROLLOUT].resource,
                "shop",
                self.bed.namespace,
                lambda o: o is None or place(o) != row.release,
                seconds=QUIET_SECONDS,
            )


def place(rollout: Obj) -> str:
    """Say where a release stands, in the words of the page."""
    status = rollout.get("status", {})
    if status.get("phase") != "Progressing":
        return "at rest" if status.get("phase") == "Healthy" else str(status.get("phase"))
    canary = status["canaryStatus"]
    state = {"StepPaused": "waits", "StepUpgrade": "works"}.get(canary["currentStepState"])
    if rollout["spec"]["strategy"].get("paused") and state == "works":
        state = "suspended"
    return f"step {canary['currentStepIndex']} {state or canary['currentStepState']}"


@pytest.mark.parametrize(("rows", "published"), list(cases()))
async def test_each_session_of_the_page(
    bed: VelaBed, rows: tuple[Row, ...], *, published: bool
) -> None:
    session = Session(bed, published=published)
    before = ""
    for row in rows:
        refused = row.says.startswith("refused: ")
        said = session.run(row.command, fails=refused)
        assert row.says.removeprefix("refused: ") in said, row
        await session.until(row)
        if before == row.release:
            await session.stays(row)
        assert await session.seen() == row.seen, row
        before = row.release
