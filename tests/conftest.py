"""Fixtures for every test: ``cluster`` and ``real_cluster``."""

pytest_plugins = ["devcluster.fixtures"]
