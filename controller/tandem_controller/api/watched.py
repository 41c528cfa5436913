"""Which namespaces Tandem is for, said to the API server in its own words.

Where it is for some only, its webhooks and policies do not match in the others: whatever
releases there is somebody else's, and so are the Rollouts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_NAME = "kubernetes.io/metadata.name"


def selector(namespaces: Collection[str]) -> dict[str, Any]:
    """Return the namespaceSelector of these; of all but kube-system where none are named."""
    operator, values = ("In", sorted(namespaces)) if namespaces else ("NotIn", ["kube-system"])
    return {"matchExpressions": [{"key": _NAME, "operator": operator, "values": values}]}


def policy_within(policy: Mapping[str, Any], namespaces: Collection[str]) -> dict[str, Any]:
    """Return an admission policy that matches in these namespaces; a binding as it is."""
    constraints = policy["spec"].get("matchConstraints")
    if constraints is None:
        return dict(policy)
    matching = {**constraints, "namespaceSelector": selector(namespaces)}
    return {**policy, "spec": {**policy["spec"], "matchConstraints": matching}}


def webhooks_within(
    configuration: Mapping[str, Any], namespaces: Collection[str], *, everywhere: str
) -> dict[str, Any]:
    """Return a webhook configuration that calls for these namespaces only.

    Webhooks whose names start with `everywhere` are called as before.
    """
    if not namespaces:
        return dict(configuration)
    within = {"namespaceSelector": selector(namespaces)}
    webhooks = [
        webhook if webhook["name"].startswith(everywhere) else {**webhook, **within}
        for webhook in configuration["webhooks"]
    ]
    return {**configuration, "webhooks": webhooks}
