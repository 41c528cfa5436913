"""Every kind Tandem reads: where it lives in the API and how it is decoded. One table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tandem_controller.api import policy as policy_api
from tandem_controller.api import rollout as rollout_api
from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.autoscaling import HorizontalPodAutoscaler
from tandem_controller.api.config import ConfigObject
from tandem_controller.api.conversion import decode_rollout
from tandem_controller.api.network import EndpointSlice, HTTPRoute, Ingress, Service
from tandem_controller.api.policy import ReleasePolicy
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.workload import Deployment, Pod, ReplicaSet
from tandem_controller.effect import Kind
from tandem_controller.kube.resource import Resource
from tandem_controller.ownership import STORAGE_VERSION

Decoder = Callable[[bytes], Any]


@dataclass(frozen=True)
class Known:
    """A kind's place in the API and its decoder."""

    resource: Resource
    decode: Decoder


def _as(struct: type[msgspec.Struct]) -> Decoder:
    decoder = msgspec.json.Decoder(struct)
    return decoder.decode


WATCHED: dict[Kind, Known] = {
    Kind.ROLLOUT: Known(
        Resource(rollout_api.GROUP, STORAGE_VERSION, "rollouts", "Rollout"), decode_rollout
    ),
    Kind.RELEASE_POLICY: Known(
        Resource(policy_api.GROUP, policy_api.VERSION, "releasepolicies", "ReleasePolicy"),
        _as(ReleasePolicy),
    ),
    Kind.RELEASE_RECORD: Known(
        Resource(policy_api.GROUP, policy_api.VERSION, "releaserecords", "ReleaseRecord"),
        _as(ReleaseRecord),
    ),
    Kind.RELEASE_APPROVAL: Known(
        Resource(policy_api.GROUP, policy_api.VERSION, "releaseapprovals", "ReleaseApproval"),
        _as(ReleaseApproval),
    ),
    Kind.DEPLOYMENT: Known(Resource("apps", "v1", "deployments", "Deployment"), _as(Deployment)),
    Kind.REPLICA_SET: Known(Resource("apps", "v1", "replicasets", "ReplicaSet"), _as(ReplicaSet)),
    Kind.POD: Known(Resource("", "v1", "pods", "Pod"), _as(Pod)),
    Kind.SERVICE: Known(Resource("", "v1", "services", "Service"), _as(Service)),
    Kind.ENDPOINT_SLICE: Known(
        Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"), _as(EndpointSlice)
    ),
    Kind.INGRESS: Known(Resource("networking.k8s.io", "v1", "ingresses", "Ingress"), _as(Ingress)),
    Kind.HTTP_ROUTE: Known(
        Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"), _as(HTTPRoute)
    ),
}
"""What a cache is kept of."""

LOOKED_AT: dict[Kind, Known] = {
    Kind.CONFIG_MAP: Known(Resource("", "v1", "configmaps", "ConfigMap"), _as(ConfigObject)),
    Kind.SECRET: Known(Resource("", "v1", "secrets", "Secret"), _as(ConfigObject)),
    Kind.AUTOSCALER: Known(
        Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
        _as(HorizontalPodAutoscaler),
    ),
}
"""What is read when a decision asks for it (docs/decisions/0009)."""

KNOWN: dict[Kind, Known] = {**WATCHED, **LOOKED_AT}
