"""What becomes of a fake pod, chosen by its image's tag.

kwok plays a pod's life by Stages (https://kwok.sigs.k8s.io/docs/user/stages-configuration/). Ours:

=============  ==============================================================================
tag contains   what the pod does
=============  ==============================================================================
``slow``       runs at once, gets Ready after 10 s; ``slow2s``, ``slow500ms``: after that time
``unready``    runs, never gets Ready
``crash``      waiting in CrashLoopBackOff, its last run ended with exit code 1
``badimage``   waiting in ImagePullBackOff, pod phase Pending
anything else  runs and is Ready at once
=============  ==============================================================================

Each container goes by its own tag; the pod is Ready when all its containers are. Init containers
show as completed; one tagged ``crash``, ``badimage`` or ``unready`` (which never ends) keeps the
pod initialising, and the containers after it waiting. The pods of a Job complete; tagged
``crash`` they fail. Deletion is immediate and leaves other people's finalizers alone.

``imageID`` is ``<repository>@sha256:<digest>`` with a digest made from the image's name: the
same name always gives the same digest, as a registry with immutable tags would.
"""

from typing import Any

from devcluster import pod_status

_Stage = dict[str, Any]

_TAG = ":[^/:]*"
_STUCK = "(crash|badimage|unready)"


def stages() -> list[_Stage]:
    """The Stages of pods; nodes get kwok's own."""
    return [
        _stage(
            "pod-start",
            [_not(".metadata.deletionTimestamp"), _not(".status.podIP")],
            pod_status.START,
        ),
        _stage("pod-slow-ready", _SLOW_WHEN, pod_status.READY, delay_from=_SLOW_DELAY),
        _stage(
            "pod-complete",
            [*_OF_A_JOB, _not(_any(_STUCK)), _is_ready("True")],
            pod_status.COMPLETED,
        ),
        _stage("pod-fail", [*_OF_A_JOB, _has(_any("crash"))], pod_status.FAILED),
        _stage("pod-delete", [_has(".metadata.deletionTimestamp"), _NOT_YET_DELETED], None),
    ]


def _stage(
    name: str,
    when: list[dict[str, Any]],
    status: str | None,
    *,
    delay_from: str | None = None,
) -> _Stage:
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
        "selector": {"matchExpressions": when},
        "next": {"delete": True} if status is None else {"statusTemplate": status},
    }
    if delay_from:
        spec["delay"] = {"durationFrom": {"jq": {"expression": delay_from}}}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": spec,
    }


def _has(key: str) -> dict[str, Any]:
    return {"jq": {"key": key, "operator": "Exists"}}


def _not(key: str) -> dict[str, Any]:
    return {"jq": {"key": key, "operator": "DoesNotExist"}}


def _any(tag: str) -> str:
    """The images of the pod that carry this tag."""
    images = "((.spec.containers // []) + (.spec.initContainers // []))[] | .image"
    return f'{images} | select(test("{_TAG}{tag}"))'


def _is_ready(status: str) -> dict[str, Any]:
    key = '.status.conditions[] | select(.type == "Ready") | .status'
    return {"jq": {"key": key, "operator": "In", "values": [status]}}


_OF_A_JOB = [
    _not(".metadata.deletionTimestamp"),
    {"jq": {"key": ".status.phase", "operator": "In", "values": ["Running"]}},
    {"jq": {"key": ".metadata.ownerReferences[].kind", "operator": "In", "values": ["Job"]}},
]

# After the deletion the grace period is 0; what still holds the pod then is someone's finalizer.
_NOT_YET_DELETED = _not("select(.metadata.deletionGracePeriodSeconds == 0) | .metadata.name")

_SLOW_WHEN = [
    _not(".metadata.deletionTimestamp"),
    _has(".status.podIP"),
    _has(_any("slow")),
    _not(_any(_STUCK)),
    _is_ready("False"),
]

# The longest delay that any container asks for; a bare "slow" is 10 s.
_SLOW_DELAY = (
    "[.spec.containers[].image"
    f' | capture("{_TAG}slow(?<n>[0-9]*)(?<unit>ms|s)?")'
    ' | {n: (if .n == "" then 10000 elif .unit == "ms" then (.n | tonumber)'
    ' else (.n | tonumber) * 1000 end)} | .n] | max | tostring + "ms"'
)
