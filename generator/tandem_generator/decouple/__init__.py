"""Take the images out of a definition, without a change for the Applications that use it."""

from tandem_generator.decouple.plan import NewParameter, Plan, plan
from tandem_generator.decouple.rewrite import rewrite
from tandem_generator.decouple.uses import ApplicationPatch, NotEqualError, patches, prove_smallest

__all__ = [
    "ApplicationPatch",
    "NewParameter",
    "NotEqualError",
    "Plan",
    "patches",
    "plan",
    "prove_smallest",
    "rewrite",
]
