"""Which kind of object a request is about, and where it lives on the API server."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """A served kind: enough to build any URL of it.

    The plural is stated, not guessed from the kind: the API server names it
    freely (``endpoints``, ``ingresses``, ``gatewayclasses``).
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """What stands in an object's ``apiVersion``; the core group has no prefix."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_path(self) -> str:
        """Where the group and version are served: the core group is under ``/api``."""
        return group_path(self.group, self.version)

    def path(
        self,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> str:
        """The URL path of a collection, an object or an object's subresource.

        Without a namespace the path of a namespaced kind is the collection in
        all namespaces; an object of such a kind therefore needs its namespace.
        """
        if name is not None and self.namespaced and not namespace:
            raise ValueError(f"{self.kind} {name!r} needs a namespace.")
        if subresource is not None and name is None:
            raise ValueError(f"{self.kind}/{subresource} needs an object's name.")
        parts = [self.group_path]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}/{self.version}" if self.group else self.plural


def group_path(group: str, version: str) -> str:
    """Where a group and version are served, which is also their discovery document."""
    return f"/apis/{group}/{version}" if group else f"/api/{version}"
