"""What a cluster is asked to be; handed from the starting process to the supervisor."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

MASTERS = "system:masters"


@dataclass(frozen=True)
class Options:
    """The choices of one start."""

    name: str
    real_node: bool = False
    fake_nodes: int = 3
    controller_manager_qps: int = 500
    users: tuple[str, ...] = ("tandem-controller", "tandem-user")
    """Users beside ``admin``, each with a token of its own, so that audit logs tell them apart."""

    def save(self, path: Path) -> None:
        """Write the options for the supervisor."""
        path.write_text(json.dumps(dataclasses.asdict(self)))

    @staticmethod
    def load(path: Path) -> "Options":
        """Read what ``save`` wrote."""
        raw = json.loads(path.read_text())
        return Options(**{**raw, "users": tuple(raw["users"])})
