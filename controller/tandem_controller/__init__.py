"""Tandem's controller: observe, decide, act."""
