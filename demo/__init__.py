"""The demo: a canary release and a complete rollback, with every request accounted for."""
