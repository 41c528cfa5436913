"""Policy: plain functions from a snapshot to a decision. No I/O, no clock, no randomness."""
