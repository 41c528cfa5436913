"""Every test of the reflector runs over LIST and over WatchList."""

from pathlib import Path

import pytest

from tests.runtime.reflecting import Setup


@pytest.fixture(params=[False, True], ids=["list", "watch-list"])
def setup(tmp_path: Path, request: pytest.FixtureRequest) -> Setup:
    return Setup(tmp_path, watch_list=request.param)
