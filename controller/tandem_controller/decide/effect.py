"""Moved to `tandem_controller.effect`."""

from tandem_controller.effect import *  # noqa: F403
