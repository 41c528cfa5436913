"""The real node: real containers, real traffic through Traefik."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devcluster import images, processes
from devcluster.api import Api, Object, condition
from devcluster.cluster import ClusterError, DevCluster
from devcluster.fixtures import why_no_real_node
from devcluster.node import leftovers

pytestmark = pytest.mark.e2e

NAMESPACE = "real-node-test"


def eventually(done: Callable[[], bool], *, seconds: float = 60) -> float:
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < seconds, "it did not come to be"
        time.sleep(0.05)
    return time.monotonic() - began


START_AND_HANG = """
import sys, time
from pathlib import Path
from devcluster.cluster import DevCluster
DevCluster("victim", real_node=True, state_dir=Path(sys.argv[1])).start()
print("started", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("victim", ["parent", "supervisor"])
def test_a_killed_real_node_leaves_nothing(tmp_path: Path, victim: str) -> None:
    reason = why_no_real_node()
    if reason:
        pytest.skip(reason)
    parent = subprocess.Popen(
        [sys.executable, "-c", START_AND_HANG, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    with parent.stdout, parent.stderr:
        if parent.stdout.readline() != b"started\n":
            words = parent.stderr.read().decode()
            parent.wait()
            if "has a real node already" in words:
                pytest.skip("another real node runs; this test needs the machine's only place")
            pytest.fail(words)
        cluster = DevCluster("victim", real_node=True, state_dir=tmp_path)
        api = Api(cluster.server, cluster.ca_file, cluster.kubeconfig)
        api.apply({**shop("orphan", biz="v1", init="v1"), "metadata": {"name": "orphan"}})
        path = "/apis/apps/v1/namespaces/default/deployments/orphan"
        eventually(lambda: api.get(path)["status"].get("readyReplicas") == 2)

        if victim == "supervisor":
            pid = processes.read_pid_file(tmp_path / "supervisor.pid")
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: processes.start_mark(pid) is None)
        parent.kill()
        parent.wait()
    if victim == "supervisor":
        assert leftovers.remaining(cluster.layout) != []
        cluster.stop()

    eventually(lambda: not cluster.layout.pids.exists() and not cluster.layout.node.exists())

    assert leftovers.remaining(cluster.layout) == []


@pytest.fixture(scope="module")
def api(real_cluster: DevCluster) -> Iterator[Api]:
    api = Api(real_cluster.server, real_cluster.ca_file, real_cluster.kubeconfig)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    api.apply(namespace)
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
    eventually(lambda: exists(api, path))
    yield api
    api.delete(namespace)


def exists(api: Api, path: str) -> bool:
    try:
        return bool(api.get(path))
    except OSError:
        return False
    except RuntimeError:
        return False


def shop(
    name: str, *, biz: str, init: str, replicas: int = 2, env: dict[str, str] | None = None
) -> Object:
    labels = {"app": name}
    work = {"name": "work", "mountPath": "/work"}
    container = {
        "name": "shop",
        "image": f"shop:{biz}",
        "imagePullPolicy": "Never",
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "volumeMounts": [work],
    }
    prepare = {
        "name": "init",
        "image": f"init:{init}",
        "imagePullPolicy": "Never",
        "volumeMounts": [work],
    }
    pod = {
        "initContainers": [prepare],
        "containers": [container],
        "volumes": [{"name": "work", "emptyDir": {}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def service(name: str) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def http_route(weights: dict[str, int]) -> Object:
    backends = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"name": "tandem-gateway", "namespace": "default"}],
            "hostnames": ["route.test"],
            "rules": [{"backendRefs": backends}],
        },
    }


def ingress(name: str, backend: str, annotations: dict[str, str]) -> Object:
    target = {"service": {"name": backend, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": target}
    prefix = "nginx.ingress.kubernetes.io/"
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "annotations": {prefix + key: value for key, value in annotations.items()},
        },
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": "ingress.test", "http": {"paths": [path]}}],
        },
    }


def answer(url: str, headers: dict[str, str]) -> str:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=5
        ) as response:
            text: str = response.read().decode().strip()
            return text
    except urllib.error.HTTPError as error:
        with error:
            return str(error.code)
    except OSError as error:
        return str(error)


def answers(cluster: DevCluster, host: str, count: int, **headers: str) -> Counter[str]:
    url = f"{cluster.gateway_url}/"
    return Counter(answer(url, {"Host": host, **headers}) for _ in range(count))


@pytest.fixture(scope="module")
def shops(api: Api) -> None:
    for name, biz in (("stable", "v1"), ("canary", "v2")):
        api.apply(shop(name, biz=biz, init="v1"))
        api.apply(service(name))
    for name in ("stable", "canary"):
        eventually(lambda name=name: ready(api, name) == 2)  # type: ignore[misc]


def ready(api: Api, name: str) -> int:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}"
    count: int = api.get(path)["status"].get("readyReplicas", 0)
    return count


OLD, NEW = "init=v1 biz=v1", "init=v1 biz=v2"


@pytest.mark.usefixtures("shops")
def test_an_http_route_splits_by_weight(real_cluster: DevCluster, api: Api) -> None:
    api.apply(http_route({"stable": 80, "canary": 20}))
    eventually(lambda: answers(real_cluster, "route.test", 1)["404"] == 0, seconds=10)

    assert answers(real_cluster, "route.test", 200) == {OLD: 160, NEW: 40}


@pytest.mark.usefixtures("shops")
def test_a_weight_takes_effect_within_a_second(real_cluster: DevCluster, api: Api) -> None:
    api.apply(http_route({"stable": 100, "canary": 0}))
    eventually(lambda: answers(real_cluster, "route.test", 10) == {OLD: 10}, seconds=10)

    api.apply(http_route({"stable": 0, "canary": 100}))

    assert eventually(lambda: answers(real_cluster, "route.test", 5) == {NEW: 5}) < 1


@pytest.mark.usefixtures("shops")
def test_ingress_nginx_canary_annotations_split_and_match(
    real_cluster: DevCluster, api: Api
) -> None:
    api.apply(ingress("shop", "stable", {}))
    canary = {"canary": "true", "canary-weight": "30", "canary-by-header": "x-canary"}
    api.apply(ingress("shop-canary", "canary", canary))
    eventually(lambda: answers(real_cluster, "ingress.test", 20)[NEW] > 0, seconds=10)

    assert answers(real_cluster, "ingress.test", 200) == {OLD: 140, NEW: 60}
    matched = answers(real_cluster, "ingress.test", 20, **{"x-canary": "always"})
    assert matched == {NEW: 20}


def test_replacing_pods_under_load_fails_no_request(real_cluster: DevCluster, api: Api) -> None:
    api.apply(shop("loaded", biz="v1", init="v1", replicas=3))
    api.apply(service("loaded"))
    eventually(lambda: ready(api, "loaded") == 3)
    route = http_route({"loaded": 1})
    route["metadata"]["name"] = "loaded"
    route["spec"]["hostnames"] = ["loaded.test"]
    api.apply(route)
    eventually(lambda: answers(real_cluster, "loaded.test", 1) == {OLD: 1}, seconds=10)

    with load(real_cluster, "loaded.test") as seen:
        api.apply(shop("loaded", biz="v2", init="v2", replicas=3))
        eventually(lambda: only_new(api))

    assert set(seen) == {OLD, "init=v2 biz=v2"}
    assert seen.total() > 100


def only_new(api: Api) -> bool:
    """Whether the update is through and the last old pod is gone."""
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3Dloaded"
    pods = api.get(path)["items"]
    images_running = {pod["spec"]["containers"][0]["image"] for pod in pods}
    return images_running == {"shop:v2"} and len(pods) == 3


@contextmanager
def load(cluster: DevCluster, host: str) -> Iterator[Counter[str]]:
    """Some 50 requests a second, each on a connection of its own."""
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.02):
            seen.update(answers(cluster, host, 1))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def test_a_shop_can_get_ready_late_and_be_broken(api: Api) -> None:
    began = time.monotonic()
    late = shop("late", biz="v3", init="v3", replicas=1, env={"READY_DELAY": "4"})
    broken = shop("broken", biz="v3", init="v3", replicas=1, env={"BROKEN": "1"})
    api.apply(late)
    api.apply(broken)

    eventually(lambda: ready(api, "late") == 1)
    assert time.monotonic() - began > 4
    assert answer(f"http://{pod_of(api, 'broken')['status']['podIP']}:8080/", {}) == "500"


def test_a_pod_reaches_the_api_server_and_its_log_is_read(
    real_cluster: DevCluster, api: Api, tmp_path: Path
) -> None:
    # Any answer shows that the address works, also the refusal of a caller without a name.
    address = "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version"
    script = f"wget -q -O - --no-check-certificate {address}; echo done"
    archive = images.build_image(
        "caller:v1", entrypoint=["/bin/sh", "-c", script], archive=tmp_path / "caller.tar"
    )
    images.load_image(real_cluster.layout, archive)
    container = {"name": "main", "image": "caller:v1", "imagePullPolicy": "Never"}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "caller", "namespace": NAMESPACE},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    api.call("POST", path, pod)

    eventually(lambda: api.get(f"{path}/caller")["status"]["phase"] == "Succeeded")

    assert '"gitVersion": "v1.34' in api.read(f"{path}/caller/log")


def test_the_real_node_is_the_only_node(api: Api) -> None:
    nodes = api.get("/api/v1/nodes")["items"]

    assert [node["metadata"]["name"] for node in nodes] == ["real"]
    assert condition(nodes[0], "Ready")


def test_a_second_real_node_is_refused(real_cluster: DevCluster, tmp_path: Path) -> None:
    second = DevCluster("second", real_node=True, state_dir=tmp_path)

    with pytest.raises(ClusterError, match="has a real node already"):
        second.start()

    assert real_cluster.running


def pod_of(api: Api, app: str) -> Object:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{app}"
    eventually(lambda: any("podIP" in pod["status"] for pod in api.get(path)["items"]))
    eventually(lambda: all(condition(pod, "Ready") for pod in api.get(path)["items"]))
    pod: Object = api.get(path)["items"][0]
    return pod
