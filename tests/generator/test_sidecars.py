"""A blueprint with a sidecar and fixed values, and what the trait makes of it."""

from pathlib import Path

import pytest

from tandem_generator import definitions, evaluate
from tandem_generator.evaluate import Definition

pytestmark = pytest.mark.usefixtures("each_cue")

BLUEPRINT = """\
name: with-proxy
version: 1.0.0
description: A component with a proxy
workload: Deployment
labels: {tier: web}
volumes:
  - name: sockets
platform:
  - name: proxy
    kind: sidecar
    image: {parameter: proxyImage, usage: Image of the proxy}
    command: [proxy, --quiet]
    env: [{name: MODE, value: "on"}]
    ports: [{name: admin, port: 9000}]
    resources: {fixed: {requests: {cpu: 10m}}}
    probes:
      readiness: {fixed: {httpGet: {path: /ready, port: 9000}}}
    mounts: {sockets: /run/proxy}
business:
  name: {parameter: containerName, usage: Name of the business container}
  image: {parameter: businessImage, usage: Image of the product}
  ports: [{name: http, port: 8080}]
"""
CONTEXT = {"name": "shop", "namespace": "demo", "appName": "store"}
IMAGES = {"businessImage": "shop:v1", "proxyImage": "proxy:v1"}


@pytest.fixture
def component(tmp_path: Path) -> Definition:
    file = tmp_path / "it.yaml"
    file.write_text(BLUEPRINT, encoding="utf-8")
    return evaluate.from_text(definitions.component(file).text, "it")


def test_fixed_values_are_rendered(component: Definition) -> None:
    rendered = evaluate.evaluate(component, IMAGES, CONTEXT)
    assert rendered.output == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "shop",
            "namespace": "demo",
            "annotations": {
                "tandem.oam.dev/component-version": "1.0.0",
                "tandem.oam.dev/sidecars": "proxy",
            },
        },
        "spec": {
            "selector": {"matchLabels": {"app.oam.dev/component": "shop"}},
            "template": {
                "metadata": {
                    "labels": {
                        "tier": "web",
                        "app.oam.dev/name": "store",
                        "app.oam.dev/component": "shop",
                    },
                },
                "spec": {
                    "terminationGracePeriodSeconds": 35,
                    "containers": [
                        {
                            "name": "shop",
                            "image": "shop:v1",
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                        },
                        {
                            "name": "proxy",
                            "image": "proxy:v1",
                            "command": ["proxy", "--quiet"],
                            "env": [{"name": "MODE", "value": "on"}],
                            "ports": [{"name": "admin", "containerPort": 9000}],
                            "resources": {"requests": {"cpu": "10m"}, "limits": {}},
                            "readinessProbe": {"httpGet": {"path": "/ready", "port": 9000}},
                            "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                            "volumeMounts": [{"name": "sockets", "mountPath": "/run/proxy"}],
                        },
                    ],
                    "volumes": [{"name": "sockets", "emptyDir": {}}],
                },
            },
        },
    }
    assert rendered.outputs["service"]["spec"]["ports"] == [
        {"name": "http", "port": 8080, "targetPort": 8080}
    ]


def test_the_trait_knows_the_sidecar(component: Definition, made: dict[str, Definition]) -> None:
    output = evaluate.evaluate(component, IMAGES, CONTEXT).output
    context = {**CONTEXT, "output": output}
    policy = evaluate.evaluate(made["rollout"], {"steps": [10]}, context).outputs["policy"]
    assert policy["spec"]["containers"] == {"platform": ["proxy"], "business": ["shop"]}
