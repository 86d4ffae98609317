"""Test responses that wait for handlers, where the wait itself fails."""

import threading
from typing import Any

import orjson
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


def test_error_is_a_problem_that_says_no_more_than_its_status(settings: Any) -> None:
    settings.WAYPOST_PROBLEM_TYPES = "https://hooks.example.com/problems/"
    headers, body = responses.InboundResponse(401).headers_and_body()
    assert headers == {"Content-Type": "application/problem+json"}
    assert orjson.loads(body) == {
        "type": "https://hooks.example.com/problems/signature_invalid/",
        "title": "Signature not valid",
        "status": 401,
        "code": "signature_invalid",
    }


def test_error_in_a_project_without_pages_of_problems_has_no_type(settings: Any) -> None:
    settings.WAYPOST_PROBLEM_TYPES = ""
    _, body = responses.InboundResponse(503, retry_after=5).headers_and_body()
    assert orjson.loads(body) == {"title": "Unavailable", "status": 503, "code": "unavailable"}


def test_body_that_the_source_has_for_an_outcome_takes_the_place_of_the_problem() -> None:
    source = make_source(responses={"rejected": {"status": 401, "body": ""}})
    snapshot = find_source(source.public_id)
    assert snapshot is not None
    response = responses.response_to(snapshot, "rejected", responses.InboundResponse(401))
    assert response.headers_and_body() == ({}, b"")
