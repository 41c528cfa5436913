"""Free ports, kept free until their program takes them.

A socket that is bound and does not listen keeps the kernel from handing the port to anyone who
asks for "any" port, while a program that asks for exactly this port gets it: Linux lets two
sockets with SO_REUSEADDR share an address as long as neither listens, and Go sets it on every
listener. So two clusters that start at the same moment do not take each other's ports.
"""

import socket
from types import TracebackType
from typing import Self


class FreePorts:
    """Chooses ports on the loopback address and holds them while it is open."""

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """Choose one more port."""
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.bind(("127.0.0.1", 0))
        # Only now: with the option set before, the kernel might choose a port that is held.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.append(held)
        port: int = held.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for held in self._held:
            held.close()
