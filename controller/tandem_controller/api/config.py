"""ConfigMap and Secret, in one shape: a Secret's values stay encoded as they are.

Neither is printed: a repr reaches logs and tracebacks, and must not carry a Secret there.
"""

from __future__ import annotations

from tandem_controller.api.fingerprint import digest
from tandem_controller.api.meta import Model, ObjectMeta


class ConfigObject(Model, frozen=True):
    """v1 ConfigMap or v1 Secret."""

    metadata: ObjectMeta
    data: dict[str, str] | None = None
    binary_data: dict[str, str] | None = None
    type: str = ""
    """Of a Secret; a ConfigMap has none."""
    immutable: bool = False

    @property
    def content(self) -> dict[str, dict[str, str]]:
        """The content, as it is stated on the wire; nothing that is empty."""
        parts = {"data": self.data, "binaryData": self.binary_data}
        return {name: part for name, part in parts.items() if part}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the content, whatever the object is called."""
        return digest(self.content)

    def holds(self, key: str) -> bool:
        """Whether there is a value of this key."""
        return any(key in part for part in self.content.values())

    def __repr__(self) -> str:
        meta = self.metadata
        return f"ConfigObject({meta.namespace}/{meta.name} at {meta.resource_version})"
