"""Share the shells of the receiver: tests that use ``shell`` run once with each."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from tests.threads import SynchronousWriters
from tests.webhooks.receiving import shells
from tests.webhooks.receiving.shells import Shell, ThreadOfTheTest
from webhooks.kit.fair.threads import request_threads
from webhooks.receiving import insert_receipt, rejections
from webhooks.receiving.native_inbound import storage_threads


@pytest.fixture(params=["django", "native"])
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Send requests to the Django view, and to the coroutine of our web server."""
    marker = request.node.get_closest_marker("django_db")
    is_committed = bool(marker and marker.kwargs.get("transaction"))
    run: Callable[[Any], Any] = asyncio.run
    with SynchronousWriters() as others:
        thread = ThreadOfTheTest()
        if request.param == "native" and not is_committed:
            run = thread.run
            # As Django's test client does: the test's transaction is no reason to close its connection.
            monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
        executor = thread if run is not asyncio.run else others
        for group_commit in (insert_receipt.group_commit, rejections.group_commit):
            monkeypatch.setattr(group_commit, "writers", executor)
        for threads in (request_threads(), storage_threads()):
            monkeypatch.setattr(threads, "executor", executor)
        current = Shell(request.param, run)
        monkeypatch.setattr(shells, "current", current)
        yield current
