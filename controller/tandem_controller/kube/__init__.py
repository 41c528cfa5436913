"""Talking to a Kubernetes API server; knows nothing of releases."""
