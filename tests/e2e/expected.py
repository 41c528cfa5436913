"""The shop's objects at rest, whole: what a complete rollback has to leave behind.

They are written out, not read back before the release: a field that was wrong from the
beginning must not count as right. Left out is what the API server assigns (uid, addresses,
times, versions) and the Deployment controller's counter of revisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem_controller.keys import REJECTED

Obj = dict[str, Any]

_WORK = {"name": "work", "mountPath": "/work"}

DEPLOYMENT: Obj = {
    "metadata": {
        "name": "shop",
        "labels": {"app": "shop"},
        "annotations": {"team": "shop"},
    },
    "spec": {
        "replicas": 5,
        "minReadySeconds": 1,
        "progressDeadlineSeconds": 300,
        "revisionHistoryLimit": 10,
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "30%", "maxUnavailable": 1},
        },
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {
                "terminationGracePeriodSeconds": 10,
                "restartPolicy": "Always",
                "dnsPolicy": "ClusterFirst",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "initContainers": [
                    {
                        "name": "init",
                        "image": "init:v1",
                        "imagePullPolicy": "Never",
                        "volumeMounts": [_WORK],
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                    }
                ],
                "containers": [
                    {
                        "name": "business",
                        "image": "shop:v1",
                        "imagePullPolicy": "Never",
                        "readinessProbe": {
                            "httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
                            "periodSeconds": 1,
                            "timeoutSeconds": 1,
                            "successThreshold": 1,
                            "failureThreshold": 3,
                        },
                        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
                        "volumeMounts": [_WORK],
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                    }
                ],
                "volumes": [{"name": "work", "emptyDir": {}}],
            },
        },
    },
}

SERVICE: Obj = {
    "metadata": {"name": "shop", "labels": {"app": "shop", "team": "shop"}},
    "spec": {
        "type": "ClusterIP",
        "selector": {"app": "shop"},
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    },
}


def http_route(host: str) -> Obj:
    """Return the HTTPRoute."""
    return {
        "metadata": {"name": "shop", "labels": {"team": "shop"}},
        "spec": {
            "parentRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "Gateway",
                    "name": "tandem-gateway",
                    "namespace": "default",
                }
            ],
            "hostnames": [host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [
                        {"group": "", "kind": "Service", "name": "shop", "port": 80, "weight": 7}
                    ],
                }
            ],
        },
    }


def ingress(host: str) -> Obj:
    """Return the Ingress."""
    backend = {"service": {"name": "shop", "port": {"number": 80}}}
    return {
        "metadata": {"name": "shop", "labels": {"team": "shop"}, "annotations": {"team": "shop"}},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [
                {
                    "host": host,
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
        },
    }


_ASSIGNED_METADATA = (
    "uid",
    "namespace",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
)
_ASSIGNED_SPEC = ("clusterIP", "clusterIPs")
_NOTES = ("deployment.kubernetes.io/revision", REJECTED)


def stated(obj: Mapping[str, Any]) -> Obj:
    """Return an object as its user stated it, without what controllers note on it."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _ASSIGNED_METADATA}
    annotations = {k: v for k, v in metadata.pop("annotations", {}).items() if k not in _NOTES}
    if annotations:
        metadata["annotations"] = annotations
    spec = {k: v for k, v in obj["spec"].items() if k not in _ASSIGNED_SPEC}
    return {"metadata": metadata, "spec": spec}
