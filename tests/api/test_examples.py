"""Check that the examples of the API pages are what the API returns, for every operation and every problem."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config.api import openapi
from config.local import embedded
from tests.api.checked_responses import checked_request
from tests.api.examples import record
from tests.api.operations import Operation, operations
from tests.receiver import Receiver
from webhooks.receiving import rejections
from webhooks.sources import snapshot

FILE = Path(openapi.__file__).with_name("examples.json")
WITHOUT_BODY = {"get_receipt_body", "get_event_data", "export_audit"}  # bytes of the caller, or lines
LINES = ("text/csv", "text/event-stream")  # each of them is described in words
CALLED_BY_ENDPOINTS = {"confirm_verification", "confirm_verification_by_get"}


@pytest.fixture
def recorded(settings: Any, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Call every operation; each response is checked against the OpenAPI document."""
    monkeypatch.setattr(Client, "request", checked_request)
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8", "93.184.215.0/24"]
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))  # keeps the publish rate
    snapshot.clear_snapshots()
    rejections.reset_samples()
    with Receiver() as receiver:
        yield record(receiver)


def test_examples_are_what_the_api_returns(recorded: dict[str, Any]) -> None:
    """Run with WAYPOST_WRITE_EXAMPLES=1 to record them anew."""
    if os.environ.get("WAYPOST_WRITE_EXAMPLES"):
        FILE.write_text(json.dumps(recorded, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    expected = json.loads(FILE.read_text())
    assert recorded.keys() == expected.keys()
    assert {name: it for name, it in recorded.items() if it != expected[name]} == {
        name: it for name, it in expected.items() if it != recorded[name]
    }


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_operation_has_an_example_of_its_request_and_of_every_response(operation: Operation) -> None:
    described = operation.described
    for content in described.get("requestBody", {}).get("content", {}).values():
        assert "example" in content or "examples" in content or content["schema"].get("format") == "binary"
    name = described["operationId"]
    for status, response in described["responses"].items():
        for media_type, content in response.get("content", {}).items():
            shown = content.get("example") or content.get("examples")
            assert shown or name in WITHOUT_BODY | CALLED_BY_ENDPOINTS or media_type in LINES, (status, media_type)
