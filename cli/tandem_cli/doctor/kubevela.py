"""Checks of Applications and of KubeVela itself: traps that no controller can close."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tandem_cli.cluster_objects import Obj
from tandem_cli.doctor.finding import Cluster, Finding
from tandem_cli.doctor.installation import info, problem
from tandem_cli.migration.plan import trait_clashes

TRAIT = "rollout"
PUBLISH_VERSION = "app.oam.dev/publishVersion"
STRATEGY_TRAITS = ("k8s-update-strategy",)
AUTOSCALERS = ("hpa", "cpuscaler", "keda-auto-scaler")
SCALERS = ("scaler",)
LIMITS = ("application-revision-limit", "definition-revision-limit")
FEW = 2
"""The default of KubeVela's chart: what was released before last is gone."""


def trait_clash(cluster: Cluster) -> Iterator[Finding]:
    """The catalog's older addon owns a trait of the same name."""
    for text in trait_clashes(cluster.of("TraitDefinition")):
        what, _, remedy = text.rpartition(": ")
        yield problem("trait-clash", "TraitDefinition rollout", what, remedy)


def no_publish_version(cluster: Cluster) -> Iterator[Finding]:
    """`vela workflow rollback` without publishVersion changes nothing and reports success.

    KubeVela sets the spec of the latest revision, which is the one in progress
    (kubevela `pkg/workflow/operation/operation.go`).
    """
    for app in cluster.of("Application"):
        metadata = app["metadata"]
        if PUBLISH_VERSION in (metadata.get("annotations") or {}):
            continue
        if names := [c["name"] for c in _released(app)]:
            yield info(
                "no-publish-version",
                _object(app),
                "without the annotation app.oam.dev/publishVersion `vela workflow rollback` "
                "reports success and changes nothing",
                f"tandem rollback {names[0]} -n {metadata['namespace']}, or set publishVersion",
            )


def same_fields(cluster: Cluster) -> Iterator[Finding]:
    """Traits that state what a release changes, or that state replicas against an autoscaler."""
    for app in cluster.of("Application"):
        for component in _released(app):
            traits = _traits(component)
            for trait in sorted(traits & set(STRATEGY_TRAITS)):
                yield problem(
                    "same-fields",
                    _object(app),
                    f"component {component['name']!r} has trait {trait!r}, which states the "
                    "strategy that a release changes",
                    f"remove trait {trait!r}; state maxSurge and maxUnavailable in the component",
                )
            if scaler := traits & set(AUTOSCALERS):
                yield from _stated_replicas(app, component, traits, min(scaler))


def _stated_replicas(
    app: Obj, component: Obj, traits: set[str], autoscaler: str
) -> Iterator[Finding]:
    stated = "replicas" in (component.get("properties") or {})
    if stated or traits & set(SCALERS):
        where = "properties.replicas" if stated else "trait 'scaler'"
        yield problem(
            "same-fields",
            _object(app),
            f"component {component['name']!r} states replicas ({where}) beside trait "
            f"{autoscaler!r}; KubeVela puts them back every few minutes, also in mid-release",
            f"remove {where} from component {component['name']!r}",
        )


def revision_limits(cluster: Cluster) -> Iterator[Finding]:
    """With two revisions kept, an earlier release cannot be rolled back to by KubeVela."""
    for deployment in cluster.of("Deployment"):
        labels = deployment["metadata"].get("labels") or {}
        if labels.get("controller.oam.dev/name") != "vela-core":
            continue
        containers = deployment["spec"]["template"]["spec"]["containers"]
        arguments = " ".join(str(a) for c in containers for a in c.get("args") or ())
        for limit in LIMITS:
            found = re.search(rf"--{limit}[= ](\d+)", arguments)
            if found and int(found[1]) <= FEW:
                metadata = deployment["metadata"]
                yield info(
                    "revision-limits",
                    f"Deployment {metadata['namespace']}/{metadata['name']}",
                    f"--{limit}={found[1]}: `vela up --revision` and pinned definitions reach no "
                    "further back; Tandem's records do",
                    "set applicationRevisionLimit and definitionRevisionLimit of KubeVela's chart "
                    "to 10 or more, or use tandem rollback",
                )


def _released(app: Obj) -> list[Obj]:
    components = (app.get("spec") or {}).get("components") or ()
    return [c for c in components if TRAIT in _traits(c)]


def _traits(component: Obj) -> set[str]:
    return {str(t.get("type", "")).partition("@")[0] for t in component.get("traits") or ()}


def _object(app: Obj) -> str:
    metadata = app["metadata"]
    return f"Application {metadata['namespace']}/{metadata['name']}"
