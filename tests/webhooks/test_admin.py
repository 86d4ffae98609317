"""The operators' pages: they show no secret, count no table, run nothing of what they show."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.factories_receiver import SECRET, make_receipt, make_source
from webhooks.models import Receipt, Rejection, Source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]

SCRIPT = b"<script>alert(1)</script>"


def operator(*permissions: str) -> Client:
    user = User.objects.create_user("ops", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


SEES_ALL = ("view_source", "view_receipt", "view_rejection")


def replay(client: Client, *receipts: Receipt, **more: Any) -> Any:
    chosen = {"action": "replay_chosen", "_selected_action": [str(receipt.pk) for receipt in receipts]}
    return client.post("/admin/webhooks/receipt/", {**chosen, **more})


def dead() -> Receipt:
    return make_receipt(due_at=None, dead_at=timezone.now(), cause="exhausted")


@pytest.mark.parametrize("page", ["source", "receipt", "rejection"])
def test_every_list_opens_and_counts_nothing(page: str) -> None:
    receipt = make_receipt()
    Rejection.objects.create(source=receipt.source, reason="no_match", size=0)
    client = operator(*SEES_ALL)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(f"/admin/webhooks/{page}/").status_code == 200
    assert not [query["sql"] for query in queries if "COUNT(" in query["sql"] and "webhooks_" in query["sql"]]


def test_a_sources_page_shows_no_secret_in_any_form() -> None:
    source = make_source()
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/source/{source.pk}/change/").content
    assert SECRET.encode() not in shown
    assert bytes(source.secrets.get().sealed) not in shown


def test_a_body_is_shown_as_text_and_cut() -> None:
    receipt = make_receipt(body=SCRIPT + b"\xff" + b"y" * 10_000, headers={"x": SCRIPT.decode()})
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/{receipt.pk}/change/").content
    assert SCRIPT not in shown
    assert b"&lt;script&gt;" in shown
    assert b"more bytes" in shown
    assert b"y" * 5000 not in shown


@pytest.mark.parametrize("page", ["source", "receipt", "rejection"])
def test_nothing_is_added_changed_or_deleted_here(page: str) -> None:
    assert operator(*SEES_ALL, f"add_{page}", f"delete_{page}").get(f"/admin/webhooks/{page}/add/").status_code == 403


def test_a_row_is_found_by_its_id() -> None:
    one, other = make_receipt(), make_receipt()
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/?q={one.public_id}").content.decode()
    assert one.public_id in shown.replace(f"q={one.public_id}", "")
    assert other.public_id not in shown


@pytest.mark.parametrize("state", ["pending", "processed", "dead", "odd"])
def test_the_list_can_be_narrowed_to_a_state(state: str) -> None:
    due, gone = make_receipt(), dead()
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/?state={state}").content.decode()
    assert (due.public_id in shown) == (state in ("pending", "odd"))
    assert (gone.public_id in shown) == (state in ("dead", "odd"))


def test_a_replay_asks_first_and_then_writes_down_who_did_it() -> None:
    client, receipt = operator(*SEES_ALL, "replay_receipt"), dead()
    asked = replay(client, receipt)
    receipt.refresh_from_db()
    assert (asked.status_code, receipt.state) == (200, "dead")
    assert str(receipt.pk) in asked.content.decode()
    replay(client, receipt, confirmed="yes")
    receipt.refresh_from_db()
    assert receipt.state == "pending"
    assert LogEntry.objects.get().object_id == str(receipt.pk)


def test_without_the_permission_nobody_replays() -> None:
    client, receipt = operator(*SEES_ALL), dead()
    replay(client, receipt, confirmed="yes")
    receipt.refresh_from_db()
    assert receipt.state == "dead"


def test_a_source_is_paused_and_resumed_by_whoever_may_change_it() -> None:
    source = make_source()
    client = operator(*SEES_ALL, "change_source")
    chosen = {"_selected_action": [str(source.pk)]}
    client.post("/admin/webhooks/source/", {**chosen, "action": "pause"})
    assert Source.objects.get().paused_at is not None
    client.post("/admin/webhooks/source/", {**chosen, "action": "resume"})
    assert Source.objects.get().paused_at is None
