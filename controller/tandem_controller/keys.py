"""Names of annotations, labels and finalizers: upstream's where users know them, ours else."""

from __future__ import annotations

IN_PROGRESSING = "rollouts.kruise.io/in-progressing"
"""Annotation on a workload that a release has taken over (JSON with `rolloutName`)."""

FINALIZER = "rollouts.kruise.io/rollout"
"""Keeps a Rollout until its release was ended; set only while one is in progress."""

CANARY_DEPLOYMENT = "rollouts.kruise.io/canary-deployment"
"""Label on an extra canary Deployment: the name of the stable one."""

ROLLOUT_ID = "rollouts.kruise.io/rollout-id"
"""Label of a workload: the user's own name of a release."""

PUBLISH_VERSION = "tandem.oam.dev/publish-version"
"""Annotation on a workload: the Application's publishVersion, where it states one."""

BREAK_GLASS = "tandem.oam.dev/break-glass"
"""Label on a workload; "true" lets every update of it pass, without take-over or hold.

The policies that guard workloads while no Tandem process runs name it too. Setting it is
an ordinary write, so it is in the audit log.
"""

ROLLBACK = "tandem.oam.dev/rollback"
"""Annotation on a Rollout that asks for a rollback; kubectl alone can set it.

Its value names a ReleaseRecord, or is empty for the stable one.
"""

ACCEPT = "tandem.oam.dev/accept"
"""Annotation on a Rollout that releases a held platform change; kubectl alone can set it.

Its value names the ReleaseRecord of the held change, or is empty for whatever is held.
"""

RETRY = "tandem.oam.dev/retry"
"""Annotation on a Rollout that lets a rejected version be released again.

Its value names the version's ReleaseRecord, or is empty for the one rejected last.
"""

APPROVE = "tandem.oam.dev/approve"
"""Annotation on a Rollout that lets one step pass, for clients that cannot write a status.

Its value names release and step, `<canaryRevision>/<currentStepIndex>` of
`status.canaryStatus`: it counts for no other, and only while that step waits.
"""

APPROVED_BY = "tandem.oam.dev/approved-by"
"""Annotation on a Rollout: who set `approve`; admission writes it, whatever was stated."""

WISHES = (ROLLBACK, ACCEPT, RETRY, APPROVE)
"""Annotations by which people ask for something; each is taken away when it is met."""

FREEZE = "tandem.oam.dev/freeze"
"""Annotation on a Namespace that keeps `tandem platform roll` out; its value is the reason."""

WAVE_ORDER = "tandem.oam.dev/wave-order"
"""Label on a Rollout or its workload: a whole number, the place in a wave; 0 without it."""

REJECTED = "tandem.oam.dev/rejected"
"""Annotation on a workload whose last stated version was rolled back: which, and why.

A mirror of the record for health policies, which see the workload alone.
"""

WITHHELD_CONFIG = "tandem.oam.dev/withheld-config"
"""Label and annotation of a ConfigMap or Secret in which a rollback put the old content back.

The label's value is the Rollout; admission is asked about what carries it. The annotation says
which content belongs to the rejected version (`decide/config/mark.py`).
"""

FROZEN = "tandem.oam.dev/frozen"
"""Annotation on a Deployment whose Rollout was deleted in mid-release and left it so.

Its value is the user's fields that the release changed, as JSON: the records go with the trait.
"""

UNFINISHED = "tandem.oam.dev/unfinished"
"""Annotation on a workload that its own controller is in charge of while its release has not
ended: completing, rolled back, or parked. Its value is the Rollout's name.

Such a workload looks as one at rest does; health policies, which see the workload alone, tell
by this mark that it is not.
"""

LAST_APPLIED = (
    "app.oam.dev/last-applied-configuration",
    "kubectl.kubernetes.io/last-applied-configuration",
)
"""Annotations in which appliers keep the manifest that they applied last, as JSON."""

DELIVERY = "tandem.oam.dev/delivery"
"""Annotation on a Rollout and on the Deployment that a chart brings for it: a hash of what the
Application states of the chart. KubeVela labels only what it applies itself, so this says which
revision such a Deployment carries: the trait writes it into the Rollout, and Helm carries it.
"""

DELIVERED = "tandem.oam.dev/delivered-template"
"""Annotation on a Deployment with a delivery: that delivery, and the fingerprint of the pod
template that came with it. Admission writes it, whatever becomes of the template: Helm leaves
no copy of its manifest on the object.
"""

NOTES = (REJECTED, UNFINISHED, DELIVERED)
"""Annotations on a workload that outlive a Rollout which is deleted at rest, unless taken away."""

COMPONENT_VERSION = "tandem.oam.dev/component-version"
"""Annotation on a workload: the version of the ComponentDefinition that rendered it.

Definitions that carry it hold no image: their Applications state all of them.
"""

TOGETHER = "tandem.oam.dev/together"
"""Annotation on an Application: why a component update and a business release may go out
together. It counts in the one change that brings it or gives it another value.
"""

RECORD_ROLLOUT = "tandem.oam.dev/rollout"
"""Label on a ReleaseRecord: the Rollout that it belongs to."""

OWNER = RECORD_ROLLOUT
"""Label, too, on what Tandem puts beside the user's objects: it outlives a frozen Rollout."""

DAMAGED = "tandem.oam.dev/damaged"
"""Annotation on a ReleaseRecord that is not used any more: what is wrong with it."""

OAM_PREFIX = "app.oam.dev/"
"""Labels that KubeVela puts on what an Application renders."""

OAM_NAME = "app.oam.dev/name"
OAM_COMPONENT = "app.oam.dev/component"
OAM_REVISION = "app.oam.dev/appRevision"
DEFINITION_TYPE = "workload.oam.dev/type"

TRACKING_PREFIXES = (
    OAM_PREFIX,
    "workload.oam.dev/",
    "trait.oam.dev/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "kubectl.kubernetes.io/",
    "deployment.kubernetes.io/",
)
"""Keys by which owners recognise their objects; copies of an object must not carry them."""

TRACKING_KEYS = frozenset(
    {
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        IN_PROGRESSING,
        UNFINISHED,
        FROZEN,
        REJECTED,
        DELIVERY,
        DELIVERED,
    },
)
"""The same, and what Tandem notes on a workload."""


def untracked(keys: dict[str, str]) -> dict[str, str]:
    """Return labels or annotations without those by which an owner tracks its objects."""
    return {
        key: value
        for key, value in keys.items()
        if key not in TRACKING_KEYS and not key.startswith(TRACKING_PREFIXES)
    }
