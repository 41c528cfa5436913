"""Which version step a change of a definition needs, for those whose Applications use it."""

from tandem_generator.semver.change import Change, compare
from tandem_generator.semver.reason import Reason
from tandem_generator.semver.step import Step, Version

__all__ = ["Change", "Reason", "Step", "Version", "compare"]
