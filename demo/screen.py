"""What the demo shows: a line for each thing done, and below them, on a terminal, what goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_PLAIN_WIDTH = 160


class Screen:
    """Lines that stay, and a few live ones where there is a terminal."""

    def __init__(self, *, terminal: bool | None = None) -> None:
        live = sys.stdout.isatty() if terminal is None else terminal
        width = None if live else _PLAIN_WIDTH
        self._console = Console(highlight=False, width=width, no_color=None if live else True)
        self._began = time.monotonic()
        self._doing: Spinner | None = None
        self._watched: list[Callable[[], str]] = []
        self._live = (
            Live(
                get_renderable=self._renderable,
                console=self._console,
                refresh_per_second=8,
                transient=True,
            )
            if live
            else None
        )

    @contextmanager
    def shown(self) -> Iterator[Screen]:
        """Show live lines while inside."""
        if self._live:
            self._live.start()
        try:
            yield self
        finally:
            if self._live:
                self._live.stop()

    def keep_showing(self, line: Callable[[], str]) -> None:
        """Show what a function returns, live, from now on."""
        self._watched.append(line)

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self._console.print()
        self._console.print(Text(title, style="bold"))

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Show what is being done, and for how long it took once it is."""
        began = time.monotonic()
        self._doing = Spinner("dots", f" {what}")
        try:
            yield
        except BaseException:
            self._line("✗", "red", what, began)
            raise
        else:
            self._line("✓", "green", what, began)
        finally:
            self._doing = None

    def verdict(self, *, held: bool, what: str) -> None:
        """Say whether a check held."""
        mark, style = ("✓", "green") if held else ("✗", "bold red")
        self._console.print(Text.assemble("  ", (mark, style), " ", what))

    def say(self, what: str) -> None:
        """Say something."""
        self._console.print(Text(f"  {what}"))

    def show(self, table: RenderableType) -> None:
        """Show a table."""
        self._console.print(table)

    @property
    def seconds(self) -> float:
        """How long the demo has been running."""
        return time.monotonic() - self._began

    def _line(self, mark: str, style: str, what: str, began: float) -> None:
        took = f"{time.monotonic() - began:.1f} s"
        self._console.print(Text.assemble("  ", (mark, style), f" {what} ", (f"({took})", "dim")))

    def _renderable(self) -> RenderableType:
        lines: list[RenderableType] = [self._doing] if self._doing else []
        lines += [
            Text(line(), style="cyan", no_wrap=True, overflow="ellipsis") for line in self._watched
        ]
        return Group(*lines)
