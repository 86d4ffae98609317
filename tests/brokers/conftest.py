"""Collect only the folders named by WAYPOST_BROKERS (see ``__main__``), and share the fixtures of reading sources."""

import os
from pathlib import Path

from tests.webhooks.conftest import claims, notifications, receiver, rules
from tests.webhooks.sources.kinds.conftest import loopback, reading, receiver_server

__all__ = ["claims", "loopback", "notifications", "reading", "receiver", "receiver_server", "rules"]

_chosen = os.environ.get("WAYPOST_BROKERS", "").split()
collect_ignore = [it.name for it in Path(__file__).parent.iterdir() if it.is_dir() and it.name not in _chosen]
