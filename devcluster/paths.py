"""Where the dev cluster keeps things, after the XDG base directory specification.

Built programs are a cache (deleting it costs time only); clusters and their logs are state.
"""

import os
from pathlib import Path

GO_MODULES = Path(__file__).parent / "go"
"""The committed Go modules that pin every program's version and check sums."""


def cache_home() -> Path:
    """The folder of built programs, ``<program>/<version>/<program>`` below it."""
    return _xdg("XDG_CACHE_HOME", ".cache") / "tandem"


def state_home() -> Path:
    """The folder of clusters, one folder a name."""
    return _xdg("XDG_STATE_HOME", ".local/state") / "tandem"


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The specification: a relative path is invalid and is ignored.
    return Path(value) if value.startswith("/") else Path.home() / fallback
