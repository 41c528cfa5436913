"""ConversionReviews: many objects in, as many out, in order."""

from __future__ import annotations

from typing import Any

import msgspec

from tandem_controller.api.conversion import CONVERTERS, UnknownVersionError
from tandem_controller.api.meta import Model


class _Request(Model, frozen=True):
    uid: str
    desired_api_version: str = msgspec.field(name="desiredAPIVersion")
    objects: tuple[dict[str, Any], ...] = ()


class _Review(Model, frozen=True):
    request: _Request


def convert_review(raw: bytes) -> bytes:
    """Answer a ConversionReview (`apiextensions.k8s.io/v1`).

    One object that cannot be converted fails the request, as the API asks for.
    """
    request = msgspec.json.decode(raw, type=_Review).request
    response: dict[str, Any] = {"uid": request.uid}
    try:
        response["convertedObjects"] = _converted(request)
        response["result"] = {"status": "Success"}
    except UnknownVersionError as error:
        response["result"] = {"status": "Failure", "message": str(error)}
    review = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "ConversionReview",
        "response": response,
    }
    return msgspec.json.encode(review)


def _converted(request: _Request) -> list[dict[str, Any]]:
    convert = CONVERTERS.get(request.desired_api_version)
    if convert is None:
        raise UnknownVersionError(
            f"cannot convert to {request.desired_api_version}: Tandem knows {', '.join(CONVERTERS)}"
        )
    return [convert(obj) for obj in request.objects]
