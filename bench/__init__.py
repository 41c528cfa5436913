"""Measurements: ratios and counts that hold on any machine."""
