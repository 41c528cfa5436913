"""Linked monitoring: which component version runs with which images, and what is out of line."""
