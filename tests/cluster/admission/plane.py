"""What is done to a cluster of admission tests by its administrator."""

from __future__ import annotations

from devcluster.cluster import DevCluster
from tandem_controller.kube.client import Client
from tests.cluster.admission.place import Place
from tests.cluster.namespace import own_namespace

WRITER = "tandem-controller"


async def until_guarded(plane: DevCluster, admin: Client, guarded: str) -> None:
    """Wait until policies are compiled and bound, which nothing in the API tells."""
    async with own_namespace(plane.kubeconfig_for("tandem-user")) as (user, name):
        await Place(user, admin, name, guarded).stand()
