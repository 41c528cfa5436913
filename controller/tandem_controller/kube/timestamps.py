"""Times as the API server takes them."""

from datetime import UTC, datetime


def micro_time(at: datetime) -> str:
    """``metav1.MicroTime``: UTC, always six decimals; a shorter form is refused."""
    if at.tzinfo is None:
        raise ValueError("A time without its zone is not written to the API server.")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
