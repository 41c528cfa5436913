"""Approvals of one step by somebody who cannot write a status: an annotation, or an object.

Each is exact (DESIGN §4.7) and becomes the approval that everybody gives, `StepReady`.
"""
