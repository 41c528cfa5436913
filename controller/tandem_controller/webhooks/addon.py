"""What ties Tandem to the addon that installed it: its owner, and what happens at its end.

What the controller makes at run time is not in the addon's Application, so KubeVela does not
take it away. Owner references to the addon's ClusterRole do: the garbage collector then removes
webhook configurations and policies, also where no Tandem process is left.

The CustomResourceDefinition stays, and with it every Rollout. A conversion webhook that nobody
answers would make lists of Rollouts fail, and with them the deletion of any namespace. So the
conversion is taken out while the addon's deletion is answered: the last moment at which a
process with the right to do it is certain to live.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from tandem_controller.api.crd import ROLLOUT_CRD, crds
from tandem_controller.install import CRD, apply
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Forbidden, NotFound
from tandem_controller.kube.resource import Resource

RETIRED = "tandem.oam.dev/retired"
"""Annotation on the CRD: since when it is without conversion because the addon is disabled."""

CLUSTER_ROLES = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False
)
CLUSTER_ROLE = "tandem"
"""A cluster-scoped object of the addon, so the owner of what has no namespace either."""


async def owners(client: Client) -> list[dict[str, str]]:
    """Return the references to the addon; none for a Tandem that no addon installed."""
    try:
        role = msgspec.json.decode(await client.get(CLUSTER_ROLES, CLUSTER_ROLE))
    except (NotFound, Forbidden):
        return []
    metadata = role["metadata"]
    if "deletionTimestamp" in metadata:
        return []
    reference = {"apiVersion": CLUSTER_ROLES.api_version, "kind": CLUSTER_ROLES.kind}
    return [{**reference, "name": CLUSTER_ROLE, "uid": metadata["uid"]}]


async def say_farewell(client: Client) -> None:
    """Take the conversion webhook out of the CRD; only the stored version is served then.

    Raises:
        ApiError: when the API server refuses.
    """
    plain = crds()[ROLLOUT_CRD]
    since = datetime.now(tz=UTC).isoformat(timespec="seconds")
    annotations = {**plain["metadata"].get("annotations", {}), RETIRED: since}
    await apply(
        client, CRD, {**plain, "metadata": {**plain["metadata"], "annotations": annotations}}
    )


def is_retired(crd: Mapping[str, Any] | None) -> bool:
    """Whether a replica has taken the conversion out because the addon is being disabled."""
    return RETIRED in ((crd or {}).get("metadata", {}).get("annotations") or {})


def needs_registration(crd: Mapping[str, Any] | None) -> bool:
    """Whether another has taken the conversion out, as an upgrade of the addon does."""
    strategy = ((crd or {}).get("spec", {}).get("conversion") or {}).get("strategy")
    unserved = [v for v in (crd or {}).get("spec", {}).get("versions", ()) if not v["served"]]
    return crd is not None and (strategy != "Webhook" or bool(unserved))
