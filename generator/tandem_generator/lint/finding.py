"""What lint has to say: kinds, severities, and one finding as data."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """An error moves the image of a running pod with the definition; a warning may."""

    ERROR = "error"
    WARNING = "warning"


class Kind(StrEnum):
    """What is fixed."""

    IMAGE_FIXED = "image-fixed"
    IMAGE_DEFAULT = "image-default"
    IMAGE_PART = "image-part"
    INIT_CONTAINER = "init-container"
    SIDECAR = "sidecar"


WHY = {
    Kind.IMAGE_FIXED: "it changes with the definition, outside every release, and applying the "
    "old Application does not bring it back",
    Kind.IMAGE_DEFAULT: "a default moves with the definition, so Applications that rely on it "
    "change outside every release",
    Kind.IMAGE_PART: "the version is the Application's, but this part changes with the definition",
    Kind.INIT_CONTAINER: "a change of it in the definition restarts every pod",
    Kind.SIDECAR: "a change of it in the definition restarts every pod",
}
"""Why a finding of each kind matters (openkruise/kruise#1792)."""


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """One place. `start` and `end` are offsets into the definition's CUE, -1 where it has none."""

    file: str
    line: int
    severity: Severity
    kind: Kind
    definition: str
    path: str
    message: str
    remedy: str
    start: int = -1
    end: int = -1

    @property
    def why(self) -> str:
        """Why it matters."""
        return WHY[self.kind]

    def sentence(self) -> str:
        """Return the finding as one line: place, severity, kind, what, why and the remedy."""
        place = f"{self.file}:{self.line}: {self.severity}: {self.kind}"
        return f"{place}: {self.definition}: {self.message}; {self.why}. {self.remedy}"
