"""The CustomResourceDefinitions, read from the YAML files beside this module.

The files are what gets installed and what the Python structs are held against. They say
nothing of where Tandem runs; `with_conversion` adds that.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CRD_DIRECTORY = Path(__file__).parent / "crds"

ROLLOUT_CRD = "rollouts.rollouts.kruise.io"
RELEASE_POLICY_CRD = "releasepolicies.tandem.oam.dev"
RELEASE_RECORD_CRD = "releaserecords.tandem.oam.dev"
RELEASE_APPROVAL_CRD = "releaseapprovals.tandem.oam.dev"


def crds() -> dict[str, dict[str, Any]]:
    """Return all CustomResourceDefinitions by name, as the files state them."""
    return {
        crd["metadata"]["name"]: crd for crd in map(_load, sorted(CRD_DIRECTORY.glob("*.yaml")))
    }


def with_conversion(crd: Mapping[str, Any], client_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the CRD with every version served and converted by this webhook.

    `client_config` is a `WebhookClientConfig`: a `url` or a `service`, and `caBundle`.
    The file serves only the stored version: without a webhook the API server "converts"
    by renaming and then drops every field that the other version does not know.
    """
    converted = copy.deepcopy(dict(crd))
    converted["spec"]["conversion"] = {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": dict(client_config),
            "conversionReviewVersions": ["v1"],
        },
    }
    for version in converted["spec"]["versions"]:
        version["served"] = True
    return converted


def keeping_conversion(crd: Mapping[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the CRD with the conversion that the cluster's one has already, if any.

    Applying the file alone would stop serving v1beta1 until a webhook process registers.
    """
    webhook = ((live or {}).get("spec", {}).get("conversion") or {}).get("webhook") or {}
    config = webhook.get("clientConfig")
    return with_conversion(crd, config) if config else dict(crd)


def _load(path: Path) -> dict[str, Any]:
    crd: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return crd
