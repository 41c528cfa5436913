"""What a chart states of a Deployment, noted as it comes.

KubeVela and kubectl leave a copy of what they applied on the object, so anybody can see what the
manifest states while its template is withheld. Helm leaves none, and sends only what differs from
the live object (Helm 3, a three-way merge): an owner who goes back to the version in force sends
no template at all. The mark that the trait `rollout` sends with a chart changes whenever what the
Application states of it does, and the object as it is to be stored then has the owner's template,
merged by Helm.
"""

from __future__ import annotations

from dataclasses import replace

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.decide.admission.review import (
    AdmissionRequest,
    Verdict,
    annotations_of,
    set_field,
)
from tandem_controller.keys import DELIVERED, DELIVERY


def with_delivery(request: AdmissionRequest, verdict: Verdict) -> Verdict:
    """Add to an answer which template came with a new delivery, whatever becomes of it."""
    annotations = annotations_of(request.new)
    delivery = annotations.get(DELIVERY)
    if not delivery or delivery == annotations_of(request.old).get(DELIVERY):
        return verdict
    # The API server may ask again about its own answer, in which the template is another one.
    if annotations.get(DELIVERED, "").startswith(f"{delivery} "):
        return verdict
    template = (request.new.get("spec") or {}).get("template") or {}
    note = f"{delivery} {template_fingerprint(template)}"
    noted = set_field(request.new, ("metadata", "annotations", DELIVERED), note)
    return replace(verdict, patch=(*verdict.patch, *noted))
