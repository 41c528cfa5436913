"""Workload kinds, one module each."""
