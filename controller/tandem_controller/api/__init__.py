"""Structs of the APIs that Tandem reads and writes, and conversion between their versions."""
