"""Test receipts over REST: filters, bodies and replays."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from subscriptions.models import Tenant
from tests.bodies import store_body
from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_receipt, make_source, signed
from tests.routes import ApiRoute, RouteCases
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.processing.process import process_due
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

API = "/api/v1"
BODY = b'{"type":"a.b"}'


def post(client, path: str, body: Any) -> Any:
    return client.post(f"{API}/{path}", body, format="json")


@pytest.mark.usefixtures("receiver", "rules")
class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "receipts/", "read", 200),
        ApiRoute("get", "receipts/{receipt}/", "read", 200),
        ApiRoute("get", "receipts/{receipt}/attempts/", "read", 200),
        ApiRoute("get", "receipts/{receipt}/body/", "read", 200),
        ApiRoute("post", "receipts/{receipt}/replay/", "manage", 200),
        ApiRoute("post", "receipts/{receipt}/retry/", "manage", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"receipt": make_receipt(make_source(tenant_id=tenant.pk)).public_id}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["dead", "done", "due"]),
        ("?state=pending", ["due"]),
        ("?state=processed", ["done"]),
        ("?state=dead", ["dead"]),
        ("?cause=crashed_worker", ["dead"]),
        ("?event_type=x.y", ["due"]),
        ("?message_id=done", ["done"]),
        ("?source=shop", ["dead", "done", "due"]),
        ("?until=2020-01-01T00:00:00Z", []),
        ("?since=2020-01-01T00:00:00Z", ["dead", "done", "due"]),
        ("?since=0001-01-01T00:00:00Z&until=9999-12-31T00:00:00Z", ["dead", "done", "due"]),
    ],
)
def test_list_returns_receipts_that_match_the_filter(query: str, expected: list[str]) -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk, uid="shop")
    now = timezone.now()
    make_receipt(source, message_id="due", event_type="x.y")
    make_receipt(source, message_id="done", due_at=None, processed_at=now)
    make_receipt(source, message_id="dead", due_at=None, dead_at=now, cause="crashed_worker")
    found = make_client(tenant).get(f"{API}/receipts/{query}").json()["data"]
    assert [receipt["message_id"] for receipt in found] == expected


@pytest.mark.parametrize("query", ["?state=odd", "?since=yesterday", "?cause=bad", "?until=99999999999999"])
def test_list_with_an_invalid_filter_is_a_400(query: str) -> None:
    assert make_client(make_tenant()).get(f"{API}/receipts/{query}").status_code == 400


@pytest.mark.parametrize("query", ["?source=%00", "?event_type=%00", "?source=" + "a" * 5000])
def test_list_with_a_filter_no_column_can_store_is_not_a_server_error(query: str) -> None:
    assert make_client(make_tenant()).get(f"{API}/receipts/{query}").status_code in (200, 400)


def test_body_is_returned_unchanged_as_a_download() -> None:
    tenant = make_tenant()
    body = b"<script>alert(1)</script>\xff\x00"
    receipt = make_receipt(make_source(tenant_id=tenant.pk), body=body, content_type="text/html")
    response = make_client(tenant).get(f"{API}/receipts/{receipt.public_id}/body/")
    assert b"".join(response.streaming_content) == body
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_large_body_is_returned_from_storage() -> None:
    tenant = make_tenant()
    stored = store_body(iter([bytes(INLINE_MAX + 1)]), new_id(), lambda chunk: None)
    receipt = make_receipt(make_source(tenant_id=tenant.pk), body=None, body_key=stored.key, size=stored.size)
    response = make_client(tenant).get(f"{API}/receipts/{receipt.public_id}/body/")
    assert b"".join(response.streaming_content) == bytes(INLINE_MAX + 1)


def test_dead_receipt_is_replayed_once() -> None:
    tenant = make_tenant()
    receipt = make_receipt(make_source(tenant_id=tenant.pk), due_at=None, dead_at=timezone.now())
    client = make_client(tenant)
    path = f"receipts/{receipt.public_id}/replay/"
    first, again = (post(client, path, {}).json() for _ in range(2))
    assert first["state"] == "pending"
    assert again == first


def test_receipt_that_waits_for_a_retry_is_retried_now() -> None:
    tenant = make_tenant()
    later = timezone.now() + timedelta(hours=1)
    receipt = make_receipt(make_source(tenant_id=tenant.pk), due_at=later, attempts=2)
    retried = post(make_client(tenant), f"receipts/{receipt.public_id}/retry/", {})
    assert (retried.status_code, retried.json()["state"], retried.json()["attempts"]) == (200, "pending", 2)
    receipt.refresh_from_db()
    assert receipt.due_at < later


def test_retry_of_a_dead_receipt_is_a_409_that_names_the_replay() -> None:
    tenant = make_tenant()
    receipt = make_receipt(make_source(tenant_id=tenant.pk), due_at=None, dead_at=timezone.now())
    refused = post(make_client(tenant), f"receipts/{receipt.public_id}/retry/", {})
    assert (refused.status_code, refused.json()["detail"]) == (409, "state: Already dead; replay it.")


def test_processed_receipt_shows_state_handler_and_attempts(settings) -> None:
    settings.WAYPOST_HANDLERS = {"ok": "tests.webhooks.handlers_of_tests.succeed"}
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk, handlers=[{"handler": "ok"}])
    Client().post(f"/in/{source.public_id}/", BODY, "application/json", headers=signed(BODY))
    process_due()
    shown = make_client(tenant).get(f"{API}/receipts/").json()["data"][0]
    assert (shown["state"], shown["handled_by"], shown["attempts"]) == ("processed", ["ok"], 1)
    (attempt,) = make_client(tenant).get(f"{API}/receipts/{shown['id']}/attempts/").json()["data"]
    assert (attempt["number"], attempt["outcome"], attempt["traceback"]) == (1, "processed", "")
    assert attempt["ended_at"] == shown["processed_at"]


def test_body_without_its_object_in_storage_is_a_503_and_the_receipt_is_still_shown(claims) -> None:
    tenant = make_tenant()
    stored = store_body(iter([bytes(INLINE_MAX + 1)]), new_id(), lambda chunk: None)
    receipt = make_receipt(make_source(tenant_id=tenant.pk), body=None, body_key=stored.key, size=stored.size)
    (claims / stored.key).unlink()
    client = make_client(tenant)
    assert client.get(f"{API}/receipts/{receipt.public_id}/body/").status_code == 503
    assert client.get(f"{API}/receipts/{receipt.public_id}/").status_code == 200


def test_list_filters_by_message_id_type_time_and_outcome() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    make_receipt(source, message_id="m-1", event_type="order.paid")
    make_receipt(source, message_id="m-2", event_type="order.gone", out_of_order=True, skipped=True)
    make_receipt(make_source(tenant_id=make_tenant().pk), message_id="m-1")
    client = make_client(tenant)
    for query, found in (
        ("message_id=m-1", ["m-1"]),
        ("message_id=m-3", []),
        ("event_type=order.gone", ["m-2"]),
        ("skipped=true", ["m-2"]),
        ("out_of_order=false", ["m-1"]),
        (f"source={source.public_id}&message_id=m-2", ["m-2"]),
        ("since=2000-01-01T00:00:00Z", ["m-2", "m-1"]),
        ("until=2000-01-01T00:00:00Z", []),
    ):
        listed = client.get(f"{API}/receipts/?{query}").json()["data"]
        assert [receipt["message_id"] for receipt in listed] == found, query


@pytest.mark.parametrize("page", ["receipts", "rejections"])
@pytest.mark.parametrize("name", ["source", "since", "until"])
def test_list_with_an_empty_parameter_is_a_400_that_names_it(page: str, name: str) -> None:
    response = make_client(make_tenant()).get(f"{API}/{page}/", {name: ""})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [name]


def test_list_with_an_invalid_flag_is_a_400_that_names_it() -> None:
    response = make_client(make_tenant()).get(f"{API}/receipts/", {"skipped": "null"})
    assert [error["field"] for error in response.json()["errors"]] == ["skipped"]
