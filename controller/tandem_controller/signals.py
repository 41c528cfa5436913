"""Being asked to stop."""

from __future__ import annotations

import asyncio
import signal


def on_stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; call it inside the event loop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
