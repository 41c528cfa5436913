"""A cluster with nothing but the CRDs for each file, and what may stand on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from devcluster.cluster import DevCluster
from tandem_controller.api.guard import MUTATING_VERSIONS, mutating_policies, validating_policies
from tandem_controller.install import apply, guard_resource, install_crds
from tandem_controller.kube.client import Client
from tests.cluster.administrator import as_admin
from tests.cluster.admission.place import Place
from tests.cluster.admission.plane import WRITER, until_guarded
from tests.cluster.namespace import own_namespace


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster with nothing but the CRDs."""
    folder = tmp_path_factory.mktemp("admission")
    with DevCluster("admission", state_dir=folder) as cluster:
        as_admin(cluster, install_crds)
        yield cluster


@pytest.fixture
async def place(plane: DevCluster, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A namespace of one test's own."""
    taking = {"taking_over", "serving"} & set(request.fixturenames)
    tandem = await Client.connect(kubeconfig=plane.kubeconfig_for(WRITER), user_agent="test")
    try:
        async with own_namespace(plane.kubeconfig_for("tandem-user")) as (user, name):
            yield Place(user, tandem, name, "taken over" if taking else "refused")
    finally:
        await tandem.close()


@pytest.fixture(scope="module")
def refusing(plane: DevCluster) -> None:
    """The validating policies, active."""

    async def install(client: Client) -> None:
        for policy in validating_policies([WRITER]):
            await apply(client, guard_resource(policy), policy)

    as_admin(plane, install)
    as_admin(plane, lambda client: until_guarded(plane, client, "refused"))


@pytest.fixture(scope="module")
def taking_over(plane: DevCluster, refusing: None) -> None:
    """The mutating policies too, active."""
    del refusing

    async def install(client: Client) -> None:
        for version in MUTATING_VERSIONS:
            group = "admissionregistration.k8s.io"
            if "mutatingadmissionpolicies" in await client.server_resources(group, version):
                for policy in mutating_policies([WRITER], version):
                    await apply(client, guard_resource(policy), policy)
                return
        pytest.skip("this server does not serve MutatingAdmissionPolicy")

    as_admin(plane, install)
    as_admin(plane, lambda client: until_guarded(plane, client, "taken over"))
