"""Traefik beside the cluster: Gateway API and ingress-nginx annotations, on a loopback port.

It sends requests straight to pod addresses. Retries are off, so that a request that meets a pod
that is gone shows as a failure instead of being hidden.
"""

from devcluster import tools
from devcluster.api import Api, condition, path_of, wait
from devcluster.credentials import token_of
from devcluster.layout import Layout
from devcluster.processes import Command

GATEWAY = "tandem-gateway"


def command(layout: Layout, server: str, web_port: int, admin_port: int) -> Command:
    """Traefik's command line."""
    gateway, nginx = "--providers.kubernetesgateway", "--providers.kubernetesingressnginx"
    token = layout.pki / "traefik.token"
    token.write_text(token_of(layout.kubeconfig("traefik")))
    connections = [
        argument
        for provider in (gateway, nginx)
        for argument in (
            f"{provider}=true",
            f"{provider}.endpoint={server}",
            f"{provider}.token={token}",
            f"{provider}.certauthfilepath={layout.ca_file}",
            f"{provider}.throttleduration=20ms",
        )
    ]
    return Command(
        "traefik",
        (
            str(tools.program("traefik")),
            f"--entrypoints.web.address=127.0.0.1:{web_port}",
            f"--entrypoints.traefik.address=127.0.0.1:{admin_port}",
            "--ping=true",
            "--api.insecure=true",
            "--metrics.prometheus=true",
            "--metrics.prometheus.addserviceslabels=true",
            "--metrics.prometheus.addrouterslabels=true",
            *connections,
            f"{gateway}.statusaddress.ip=127.0.0.1",
            f"{gateway}.qps=-1",
            # ingress-nginx retries by default, and so does the provider that imitates it.
            f"{nginx}.proxynextupstream=off",
            f"{nginx}.httpentrypoint=web",
            # 2 s by default: so late would a weight take effect.
            "--providers.providersthrottleduration=50ms",
            "--log.level=INFO",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        ),
    )


def install(api: Api, web_port: int) -> None:
    """Create the GatewayClass, the Gateway and the IngressClass; wait until it is programmed."""
    api.apply(_class("gateway.networking.k8s.io/v1", "GatewayClass", "traefik", _CONTROLLER))
    api.apply(_class("networking.k8s.io/v1", "IngressClass", "nginx", "k8s.io/ingress-nginx"))
    # A listener belongs to the entry point that has its port.
    listener = {
        "name": "web",
        "port": web_port,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": GATEWAY, "namespace": "default"},
        "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
    }
    path = path_of(api.apply(gateway))
    wait("Traefik", lambda: condition(api.get(path), "Programmed"), seconds=60)


_CONTROLLER = "traefik.io/gateway-controller"


def _class(version: str, kind: str, name: str, controller: str) -> dict[str, object]:
    key = "controllerName" if kind == "GatewayClass" else "controller"
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {key: controller},
    }
