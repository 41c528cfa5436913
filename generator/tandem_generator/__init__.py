"""Blueprints to CUE definitions and the addon package."""
