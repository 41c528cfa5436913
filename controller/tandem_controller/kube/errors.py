# ruff: noqa: N818  the names are Kubernetes' own words for these answers
"""What the API server answers when it does not do what it was asked.

One class a way of reacting: the caller asks "is it gone, is it mine to retry,
was it forbidden?", never "is it 409 and does the text contain ...".

Source: ``metav1.Status`` and ``StatusReason`` in
k8s.io/apimachinery/pkg/apis/meta/v1/types.go.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec


class ApiError(Exception):
    """The API server refused, or could not be asked (then ``status`` is 0).

    Also raised as itself for the answers nobody reacts to by kind, such as
    400 and 401.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details: Mapping[str, Any] = details or {}

    @property
    def causes(self) -> tuple[str, ...]:
        """The machine-readable reasons below the main one (``details.causes[].reason``)."""
        return tuple(str(cause.get("reason", "")) for cause in self.details.get("causes") or ())


class NotFound(ApiError):
    """404: no such object, or the kind is not served."""


class Conflict(ApiError):
    """409: the precondition (resourceVersion, uid, field ownership) no longer holds."""


class AlreadyExists(ApiError):
    """409 on create: an object of that name is there."""


class Gone(ApiError):
    """410: the version asked for is compacted away; only a new list helps."""


class Invalid(ApiError):
    """422: the object, or a parameter, breaks a rule; repeating it changes nothing."""


class Forbidden(ApiError):
    """403: RBAC, admission or a quota says no."""


class TooManyRequests(ApiError):
    """429: priority and fairness, or an eviction budget, asks for patience."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        retry_after_seconds: float = 1.0,
    ) -> None:
        super().__init__(status, reason, message, details)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(ApiError):
    """No verdict: 5xx, no connection, or no answer in time.

    A write that ended like this may have taken effect; only reading tells.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(status, reason, message, details)
        self.retry_after_seconds = retry_after_seconds

    @property
    def version_is_from_the_future(self) -> bool:
        """The server has not reached the version asked for (``ResourceVersionTooLarge``).

        Either this replica lags, or etcd was restored from a backup and never
        will. Source: ``NewTooLargeResourceVersionError`` in
        k8s.io/apiserver/pkg/storage/errors.go.
        """
        return "ResourceVersionTooLarge" in self.causes


class NoCredentials(Exception):
    """There is no API server to talk to: no kubeconfig, no pod, or a login that failed."""


class _Status(msgspec.Struct):
    """The fields of ``metav1.Status`` that we read."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: dict[str, Any] | None = None


_BY_STATUS: dict[int, type[ApiError]] = {
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.GONE: Gone,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
}


def from_response(status: int, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """The error for an HTTP answer, whether or not its body is a ``Status``.

    Proxies and load balancers answer in HTML or with nothing.
    """
    try:
        said = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        said = _Status(message=body[:200].decode(errors="replace"))
    return _build(status, said, _header_seconds(headers))


def from_status_object(body: bytes | msgspec.Raw) -> ApiError:
    """The error for a ``Status`` object that came inside a watch stream."""
    try:
        said = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        said = _Status(message="The watch ended with an error that is no Status object.")
    return _build(said.code or int(HTTPStatus.INTERNAL_SERVER_ERROR), said, None)


def unreachable(error: BaseException, doing: str) -> Unavailable:
    """The error for a request that got no answer at all."""
    cause = str(error) or type(error).__name__
    return Unavailable(0, type(error).__name__, f"{doing} got no answer: {cause}")


def _build(status: int, said: _Status, header_seconds: float | None) -> ApiError:
    reason = said.reason or _phrase(status)
    message = said.message or "The API server gave no message."
    seconds = header_seconds or _detail_seconds(said.details)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return TooManyRequests(
            status, reason, message, said.details, retry_after_seconds=seconds or 1.0
        )
    if status == HTTPStatus.CONFLICT and reason == "AlreadyExists":
        return AlreadyExists(status, reason, message, said.details)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return Unavailable(status, reason, message, said.details, retry_after_seconds=seconds)
    return _BY_STATUS.get(status, ApiError)(status, reason, message, said.details)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.replace(" ", "")
    except ValueError:
        return "Unknown"


def _header_seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; the API server never sends the date form."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _detail_seconds(details: Mapping[str, Any] | None) -> float | None:
    value = (details or {}).get("retryAfterSeconds")
    return float(value) if isinstance(value, int | float) and value > 0 else None
