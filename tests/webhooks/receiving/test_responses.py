"""Test responses that wait for handlers, where the wait itself fails."""

import threading
from typing import Any

import pytest
from django.db import connection, connections

from tests.factories_receiver import make_receipt, make_source
from webhooks.receiving import responses
from webhooks.receiving.django_request import run_blocking
from webhooks.sources.snapshot import find_source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("receiver")]


def test_stored_response_while_the_database_hangs_is_202_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "LATE", 0.05)
    locked, release = threading.Event(), threading.Event()

    def lock_all_receipts() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE webhooks_receipt IN ACCESS EXCLUSIVE MODE")
            locked.set()
            release.wait()
            cursor.execute("ROLLBACK")
        connections.close_all()

    async def wait(future: Any, seconds: float) -> str:
        return str(future.result(seconds))

    source = make_source(response_when="processed", response_timeout_seconds=0)
    snapshot, receipt = find_source(source.public_id), make_receipt(source)
    assert snapshot is not None
    locker = threading.Thread(target=lock_all_receipts)
    locker.start()
    locked.wait()
    try:
        response = run_blocking(responses.stored_response(snapshot, receipt.id, wait))
        assert (response.status, response.json and response.json["state"]) == (202, "pending")
    finally:
        release.set()
        locker.join()
