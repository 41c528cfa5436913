"""The controller's real ServiceAccount, with exactly the rights that the addon grants it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from demo.processes import NAMESPACE, USER
from devcluster.cluster import DevCluster
from tandem_controller.kube.client import Client
from tests.cluster import addon

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{addon.NAME}"
"""The user name of the ServiceAccount."""

_SECONDS = 24 * 3600


async def restrict(client: Client, cluster: DevCluster) -> list[addon.Obj]:
    """Have all processes of Tandem run as its ServiceAccount; return what grants it rights.

    The kubeconfig by which they are started is an administrator's until then.
    """
    granted = await addon.enable(client, ["rbac"], namespace=NAMESPACE)
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{addon.NAME}/token"
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _SECONDS},
    }
    answer = msgspec.json.decode(await client.request("POST", path, asked))
    _replace_token(cluster.kubeconfig_for(USER), answer["status"]["token"])
    return granted


def _replace_token(kubeconfig: Path, token: str) -> None:
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig.write_text(yaml.safe_dump(config))
