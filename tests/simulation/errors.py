"""What the API server answers when it refuses a write."""

from __future__ import annotations


class ApiError(Exception):
    """A refused request; `code` is the HTTP status."""

    code = 500


class NotFoundError(ApiError):
    """The object does not exist."""

    code = 404


class AlreadyExistsError(ApiError):
    """Another object has the name."""

    code = 409


class ConflictError(ApiError):
    """The object is no longer the one that the precondition names (uid or resourceVersion)."""

    code = 409


class InvalidError(ApiError):
    """The object would break a rule of its kind."""

    code = 422
