"""Check the admin's pages of single rows."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from delivery.models import Delivery, Lane, Replay
from subscriptions.models import SigningSecret
from tests.delivery.admin.rows import HOSTILE, make_letter, operator
from tests.delivery.factories import make_attempt, make_delivery, make_event, make_replay
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


def page(client: Client, row: Delivery | object, table: str) -> str:
    response = client.get(reverse(f"admin:delivery_{table}_change", args=[row.pk]))  # type: ignore[attr-defined]
    assert response.status_code == 200
    return str(response.content.decode())


def test_delivery_page_shows_timeline_from_publishing_to_next_attempt() -> None:
    now = datetime.now(UTC)
    event = make_event(make_tenant(), created_at=now - timedelta(minutes=10))
    delivery = make_delivery(event, make_endpoint(event.tenant), attempts=2, next_attempt_at=now)
    make_attempt(delivery, started_at=now - timedelta(minutes=10), status=None, error="timeout", duration_ms=15_000)
    make_attempt(delivery, started_at=now - timedelta(minutes=4), status=503, duration_ms=80, response=b"closed")
    shown = page(operator(), delivery, "delivery")
    after = ["Next attempt</strong>", "waiting 4 min", "Attempt 2", ">503<", "80 ms", "closed"]
    before = ["waited 5 min 45 s", "Attempt 1", "timeout", "15.0 s", "Published"]
    place = shown.index('<ol class="wp-timeline">')
    for part in after + before:
        place = shown.index(part, place)


def test_page_of_a_dead_delivery_says_why_and_leads_to_its_dead_letter() -> None:
    letter = make_letter(cause="responded_410")
    letter.delivery.refresh_from_db()
    shown = page(operator("change_delivery"), letter.delivery, "delivery")
    assert "Failed permanently: The endpoint responded 410 Gone." in shown
    assert reverse("admin:delivery_deadletter_change", args=[letter.pk]) in shown


def test_attempt_page_shows_request_curl_and_response() -> None:
    endpoint = make_endpoint(url="https://example.com/hooks", headers={"x-key": "confidential"})
    delivery = make_delivery(make_event(endpoint.tenant, data={"note": HOSTILE}), endpoint)
    for _ in range(2):
        make_attempt(delivery, response_headers=b"X-Reason: <b>\r\n", response=HOSTILE.encode())
    client = operator()
    assert reverse("admin:delivery_delivery_attempt", args=[delivery.pk, 1]) in page(client, delivery, "delivery")
    shown = client.get(reverse("admin:delivery_delivery_attempt", args=[delivery.pk, 1])).content.decode()
    for part in ("https://example.com/hooks", "webhook-signature", "Copy as curl", "curl --request POST", "&lt;b&gt;"):
        assert part in shown
    for part in (HOSTILE, "confidential", "Earlier"):
        assert part not in shown
    assert client.get(reverse("admin:delivery_delivery_attempt", args=[delivery.pk, 9])).status_code == 404


def test_attempt_page_is_for_those_who_may_view_deliveries() -> None:
    delivery = make_delivery(make_event(make_tenant()), make_endpoint())
    make_attempt(delivery)
    client = operator()
    User.objects.get().user_permissions.clear()
    assert client.get(reverse("admin:delivery_delivery_attempt", args=[delivery.pk, 1])).status_code in (403, 404)


def test_pages_escape_data_of_others() -> None:
    letter = make_letter(reason=HOSTILE)
    Delivery.objects.filter(pk=letter.delivery_id).update(last_error=HOSTILE[:20], body=HOSTILE.encode())
    client = operator()
    for row, table in [(letter.delivery.event, "event"), (letter.delivery, "delivery"), (letter, "deadletter")]:
        shown = page(client, row, table)
        assert HOSTILE not in shown
        assert "&lt;script&gt;alert(1)" in shown


def test_event_page_shows_payload_and_deliveries() -> None:
    event = make_event(make_tenant(), body=b'{"id":"1","data":{"n":1.10}}')
    delivery = make_delivery(event, make_endpoint(event.tenant))
    shown = page(operator(), event, "event")
    assert "&quot;n&quot;: 1.10" in shown
    assert delivery.public_id in shown
    assert reverse("admin:subscriptions_endpoint_change", args=[delivery.endpoint_id]) in shown


def test_large_payload_is_cut() -> None:
    event = make_event(make_tenant(), body=b'{"data":"' + b"x" * 1_000_000 + b'"}')
    shown = page(operator(), event, "event")
    assert "1,000,011 bytes, the first 65,536 characters" in shown
    assert len(shown) < 200_000


def test_payload_with_invalid_utf8_is_shown_with_replacement_characters() -> None:
    event = make_event(make_tenant())
    delivery = make_delivery(event, make_endpoint(event.tenant), body=b"\xff\x00 plain")
    assert "\ufffd" in page(operator(), delivery, "delivery")


def test_pages_show_no_secret() -> None:
    letter = make_letter()
    Lane.objects.get_or_create(endpoint=letter.endpoint, tenant=letter.tenant)
    ciphertext = [bytes(secret.ciphertext).decode("latin-1") for secret in SigningSecret.objects.all()]
    client = operator()
    rows = [(letter.delivery.event, "event"), (letter.delivery, "delivery"), (letter, "deadletter")]
    for row, table in [*rows, (letter.endpoint.lane, "lane")]:
        shown = page(client, row, table)
        assert "whsec_" not in shown
        assert not [secret for secret in ciphertext if secret in shown]


def test_queue_page_shows_the_state_that_stops_it_longest() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    states = [
        ({}, "idle"),
        ({"due_at": soon}, "ready"),
        ({"due_at": soon, "owner": "01a207c5-8923-7515-8511-4396cbd66c19"}, "in progress"),
        ({"due_at": soon, "endpoint_inactive": True}, "paused"),
        ({"due_at": soon, "endpoint_inactive": True, "circuit_open_until": soon}, "circuit open"),
        ({"circuit_open_until": soon - timedelta(minutes=2)}, "idle"),
    ]
    client = operator()
    for fields, label in states:
        endpoint = make_endpoint(make_tenant())
        Lane.objects.filter(endpoint=endpoint).delete()
        lane = Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **fields)
        assert f">{label}</span>" in page(client, lane, "lane"), label


class TestCancelling:
    def cancel(self, client: Client, row: Replay) -> int:
        status: int = client.post(reverse("admin:delivery_replay_cancel", args=[row.pk])).status_code
        row.refresh_from_db()
        return status

    def test_cancel_stops_running_replay_and_is_logged(self) -> None:
        row = make_replay(make_tenant())
        client = operator("change_replay")
        assert "Cancel replay" in page(client, row, "replay")
        assert self.cancel(client, row) == 302
        assert row.state == "cancelled"
        assert LogEntry.objects.get().change_message == "Cancelled."
        assert "Cancel replay" not in page(client, row, "replay")

    def test_cancel_of_finished_replay_changes_nothing(self) -> None:
        row = make_replay(make_tenant(), state="finished")
        assert self.cancel(operator("change_replay"), row) == 302
        assert row.state == "finished"
        assert not LogEntry.objects.exists()

    def test_cancel_without_permission_is_forbidden(self) -> None:
        row = make_replay(make_tenant())
        client = operator("add_replay", "delete_replay")
        assert "Cancel replay" not in page(client, row, "replay")
        assert self.cancel(client, row) == 403
        assert row.state == "running"

    def test_cancel_requires_post_with_csrf_token(self) -> None:
        row = make_replay(make_tenant())
        client = operator("change_replay")
        path = reverse("admin:delivery_replay_cancel", args=[row.pk])
        assert client.get(path).status_code == 405
        client.handler.enforce_csrf_checks = True
        assert self.cancel(client, row) == 403
        assert row.state == "running"
