"""How long to wait before trying again."""

from collections.abc import Callable
from random import random as default_random


class Backoff:
    """Exponential delays with jitter: each between half of and the full step.

    Jitter keeps the kinds and the replicas from returning in step after an
    API server restart. 0.8 to 30 s is what client-go's reflector uses
    (tools/cache/reflector.go, ``NewReflectorWithOptions``).
    """

    def __init__(
        self,
        first_seconds: float = 0.8,
        longest_seconds: float = 30.0,
        *,
        random: Callable[[], float] = default_random,
    ) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._random = random
        self._failures = 0

    def next_seconds(self) -> float:
        """The delay after one more failure."""
        step = exponential(self._failures, self._first_seconds, self._longest_seconds)
        self._failures += 1
        return step * (0.5 + 0.5 * self._random())

    def reset(self) -> None:
        """It works again; the next failure starts from the first delay."""
        self._failures = 0


def exponential(failures: int, first_seconds: float, longest_seconds: float) -> float:
    """``first * 2**failures``, bounded; the exponent is bounded too, floats overflow."""
    return float(min(longest_seconds, first_seconds * 2 ** min(failures, 60)))
