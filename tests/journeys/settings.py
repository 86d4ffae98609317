"""Use the real settings, with handlers that sources of a journey may name."""

from config.settings import *  # noqa: F403

WAYPOST_HANDLERS = {name: f"tests.journeys.handlers.{name}" for name in ("mark", "kill", "leave", "hang", "fail")}
