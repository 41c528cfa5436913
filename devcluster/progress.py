"""The one place where the dev cluster writes to a terminal.

Progress goes to standard error and results to standard output, so that
``eval "$(python -m devcluster start --detach)"`` sets ``KUBECONFIG`` and shows the progress.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]
"""Takes one progress line."""


def to_stderr(line: str) -> None:
    """Write one progress line for a person."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def to_stdout(line: str) -> None:
    """Write one result line for a person or a script."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def timed(what: str, say: Say = to_stderr) -> Iterator[None]:
    """Announce something slow, and how long it took once it is done."""
    say(f"{what} ...")
    began = time.monotonic()
    yield
    say(f"{what}: done in {time.monotonic() - began:.1f} s")
