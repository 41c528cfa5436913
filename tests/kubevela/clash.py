"""The catalog's older addon `rollout`, as far as it is in our way: it owns a trait `rollout`."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tandem_controller.kube.wait import wait_for
from tests.kubevela.core import APPLICATIONS, DEFINITIONS
from tests.kubevela.lifecycle import GONE_SECONDS, Addon
from tests.kubevela.programs import DEFINITIONS_NAMESPACE

_NAME = "addon-rollout"
_TRAIT = DEFINITIONS["TraitDefinition"]


@dataclass(frozen=True)
class OlderAddon:
    """It, enabled."""

    addon: Addon

    async def until_gone(self) -> None:
        """Wait until its trait has gone with it."""
        await wait_for(
            self.addon.client,
            _TRAIT,
            "rollout",
            DEFINITIONS_NAMESPACE,
            lambda found: found is None,
            seconds=GONE_SECONDS,
        )


async def older_addon(addon: Addon) -> OlderAddon:
    """Make its Application and its trait, as `vela addon enable rollout` does."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "older"}}
    component = {"name": "older", "type": "k8s-objects", "properties": {"objects": [config]}}
    annotations = {"addon.oam.dev/traitDefinitions": "rollout"}
    application = {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {
            "name": _NAME,
            "labels": {"addons.oam.dev/name": "rollout", "addons.oam.dev/version": "1.3.0"},
            "annotations": annotations,
        },
        "spec": {"components": [component]},
    }
    raw = await addon.client.create(
        APPLICATIONS, application, DEFINITIONS_NAMESPACE, field_manager="test"
    )
    owner = {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "name": _NAME,
        "uid": msgspec.json.decode(raw)["metadata"]["uid"],
        "controller": True,
    }
    trait = {
        "apiVersion": _TRAIT.api_version,
        "kind": _TRAIT.kind,
        "metadata": {"name": "rollout", "ownerReferences": [owner]},
        "spec": {"schematic": {"cue": {"template": "parameter: {}"}}},
    }
    await addon.client.create(_TRAIT, trait, DEFINITIONS_NAMESPACE, field_manager="test")
    return OlderAddon(addon)
