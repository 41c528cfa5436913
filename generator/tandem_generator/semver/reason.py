"""One reason for a version step."""

from __future__ import annotations

import msgspec

from tandem_generator.semver.step import Step


class Reason(msgspec.Struct, frozen=True):
    """What changed, where, and the step it needs. `subject` tells whether two speak of the same."""

    file: str
    line: int
    step: Step
    subject: str
    message: str

    def sentence(self) -> str:
        """Return the reason as one line."""
        return f"{self.file}:{self.line}: {self.step}: {self.message}"
