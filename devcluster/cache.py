"""Making something in the cache once, although several ask for it at the same time."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_maker(folder: Path) -> Iterator[None]:
    """Keep other makers of this folder's content out; whoever waited looks again first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
