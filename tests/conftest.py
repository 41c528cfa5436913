"""For every test: the fixtures ``cluster`` and ``real_cluster``, and properties without a clock."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["devcluster.fixtures"]

# Hypothesis fails a property that a busy machine generates or runs slowly; a test of ours
# never depends on the wall clock.
settings.register_profile("tandem", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tandem")
