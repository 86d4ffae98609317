"""Check the receiver's admin pages: no secret is shown, no table counted, all text escaped."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.bodies import store_body
from tests.factories_receiver import SECRET, id_at, make_receipt, make_source
from tests.webhooks.admin.operators import SEES_ALL, operator
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.models import Receipt, ReceiptReplay, Rejection, Source, SourceHour
from webhooks.processing.receipts import by_event_type, by_message_id
from webhooks.processing.replays import run_slices
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]

SCRIPT = b"<script>alert(1)</script>"


def replay(client: Client, *receipts: Receipt, **more: Any) -> Any:
    chosen = {"action": "replay_selected", "_selected_action": [str(receipt.pk) for receipt in receipts]}
    return client.post("/admin/webhooks/receipt/", {**chosen, **more})


def dead() -> Receipt:
    return make_receipt(due_at=None, dead_at=timezone.now(), cause="exhausted")


@pytest.mark.parametrize("page", ["source", "receipt", "rejection"])
def test_list_opens_without_counting_the_table(page: str) -> None:
    receipt = make_receipt()
    Rejection.objects.create(source=receipt.source, reason="no_match", size=0)
    client = operator(*SEES_ALL)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(f"/admin/webhooks/{page}/").status_code == 200
    assert not [query["sql"] for query in queries if "COUNT(" in query["sql"] and "webhooks_" in query["sql"]]


def test_source_page_shows_no_secret() -> None:
    source = make_source()
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/source/{source.pk}/change/").content
    assert SECRET.encode() not in shown
    assert bytes(source.secrets.get().ciphertext) not in shown


def test_source_page_shows_the_address_with_the_id_even_if_there_is_a_uid() -> None:
    source = make_source(uid="shop")
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/source/{source.pk}/change/").content.decode()
    assert f"/in/{source.public_id}/" in shown
    assert "/in/shop/" not in shown


def test_pages_escape_data_of_others() -> None:
    script = SCRIPT.decode()
    receipt = make_receipt(
        make_source(name=script, response_body=script, handlers=[{"handler": script}]),
        body=SCRIPT + b"\xff",
        headers={"x": script, script: "y"},
        message_id=script,
        event_type=script,
        order_key=script,
        content_type=script,
        last_error=script,
    )
    rejection = Rejection.objects.create(
        source=receipt.source, reason=script, detail=script, headers={"x": script}, remote_address=script, size=1
    )
    client = operator(*SEES_ALL, "replay_receipt")
    for path in (
        f"receipt/{receipt.pk}/change/",
        f"receipt/{receipt.pk}/replay/",
        f"source/{receipt.source.pk}/change/",
        f"source/{receipt.source.pk}/replay/",
        f"rejection/{rejection.pk}/change/",
        "receipt/",
        "source/",
        "rejection/",
        f"receipt/?q={script}",
    ):
        shown = client.get(f"/admin/webhooks/{path}")
        assert shown.status_code == 200, path
        assert SCRIPT not in shown.content, path
    assert b"&lt;script&gt;" in client.get(f"/admin/webhooks/receipt/{receipt.pk}/change/").content


def large(body: bytes) -> Receipt:
    stored = store_body(iter([body]), new_id(), lambda chunk: None)
    return make_receipt(body=None, body_key=stored.key, size=stored.size)


def test_large_body_is_cut_and_the_number_of_remaining_bytes_shown() -> None:
    receipt = large(b"y" * (INLINE_MAX + 1234))
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/{receipt.pk}/change/").content
    assert b"y" * 1000 in shown
    assert b"y" * (INLINE_MAX + 1) not in shown
    assert b"1,234 more bytes" in shown


def test_json_body_is_indented() -> None:
    receipt = make_receipt(body=b'{"a":{"b":1}}')
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/{receipt.pk}/change/").content.decode()
    assert "{\n  &quot;a&quot;: {\n    &quot;b&quot;: 1\n  }\n}" in shown


@pytest.mark.parametrize("body", [SCRIPT, SCRIPT * INLINE_MAX], ids=["small", "large"])
def test_body_is_downloaded_as_a_file_that_browsers_do_not_run(body: bytes) -> None:
    receipt = large(body) if len(body) > INLINE_MAX else make_receipt(body=body)
    response = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/{receipt.pk}/body/")
    assert b"".join(response.streaming_content) == body
    assert response["Content-Disposition"] == f'attachment; filename="{receipt.public_id}.bin"'
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_body_download_without_permission_is_forbidden() -> None:
    receipt = make_receipt()
    assert operator("view_source").get(f"/admin/webhooks/receipt/{receipt.pk}/body/").status_code == 403
    assert Client().get(f"/admin/webhooks/receipt/{receipt.pk}/body/").status_code == 302


def test_receipt_page_without_storage_says_so(claims) -> None:
    receipt = large(b"y" * (INLINE_MAX + 1))
    (claims / receipt.body_key).unlink()
    client = operator(*SEES_ALL)
    assert b"Storage unavailable" in client.get(f"/admin/webhooks/receipt/{receipt.pk}/change/").content
    assert client.get(f"/admin/webhooks/receipt/{receipt.pk}/body/").status_code == 503


def test_source_page_shows_statistics() -> None:
    source = make_source(name="Shop")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    SourceHour.objects.create(source=source, starts_at=hour, received=4711, rejected=3)
    make_receipt(source, due_at=None, dead_at=timezone.now())
    shown = operator(*SEES_ALL, "replay_receipt").get(f"/admin/webhooks/source/{source.pk}/change/").content.decode()
    assert "4,711" in shown
    assert "1 failed" in shown
    assert f"/admin/webhooks/source/{source.pk}/replay/" in shown


@pytest.mark.parametrize("page", ["receipt", "rejection"])
def test_receipts_and_rejections_cannot_be_added(page: str) -> None:
    assert operator(*SEES_ALL, f"add_{page}", f"delete_{page}").get(f"/admin/webhooks/{page}/add/").status_code == 403


@pytest.mark.parametrize("by", ["its id", "its source", "its message id", "its type", "nothing"])
def test_search_finds_receipt_by(by: str) -> None:
    one, other = make_receipt(message_id="m_1", event_type="order.paid"), make_receipt()
    term = {
        "its id": one.public_id,
        "its source": one.source.public_id,
        "its message id": "m_1",
        "its type": "order.paid",
        "nothing": "order.gone",
    }[by]
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/?q={term}").content.decode()
    assert (f"/receipt/{one.pk}/change/" in shown) == (by != "nothing")
    assert f"/receipt/{other.pk}/change/" not in shown


def test_search_by_type_or_message_id_uses_an_index() -> None:
    source = make_source()
    for number in range(100):  # so many that the right index is worth it
        make_receipt(source=source, message_id=f"m_{number}", event_type=f"a.{number}")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("ANALYZE webhooks_source, webhooks_receipt")
    for condition, index in (
        (by_message_id("m_1"), "receipt_message_id_unique"),
        (by_event_type("a.b"), "receipt_event_type"),
    ):
        assert index in Receipt.objects.filter(condition).explain()


def test_search_finds_sources_by_part_of_the_name_and_rejections_by_reason() -> None:
    source = make_source(name="Corner shop")
    rejection = Rejection.objects.create(source=source, reason="no_match", size=0)
    make_source(name="Bank")
    client = operator(*SEES_ALL)
    found = client.get("/admin/webhooks/source/?q=shop").content.decode()
    assert ("Corner shop" in found, "Bank" in found) == (True, False)
    assert rejection.public_id in client.get("/admin/webhooks/rejection/?q=no_match").content.decode()


@pytest.mark.parametrize(("window", "there"), [("hour", False), ("week", True), ("odd", True)])
def test_list_is_filtered_by_time(window: str, there: bool) -> None:
    old = make_receipt(id=id_at(timezone.now() - timedelta(days=2)))
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/?received={window}").content.decode()
    assert (old.public_id in shown) == there


@pytest.mark.parametrize("state", ["pending", "processed", "dead", "odd"])
def test_list_is_filtered_by_state(state: str) -> None:
    due, gone = make_receipt(), dead()
    shown = operator(*SEES_ALL).get(f"/admin/webhooks/receipt/?state={state}").content.decode()
    assert (due.public_id in shown) == (state in ("pending", "odd"))
    assert (gone.public_id in shown) == (state in ("dead", "odd"))


def test_replay_asks_first_and_is_logged() -> None:
    client, receipt = operator(*SEES_ALL, "replay_receipt"), dead()
    confirmation = replay(client, receipt)
    receipt.refresh_from_db()
    assert (confirmation.status_code, receipt.state) == (200, "dead")
    assert str(receipt.pk) in confirmation.content.decode()
    replay(client, receipt, confirmed="yes")
    receipt.refresh_from_db()
    assert receipt.state == "pending"
    assert LogEntry.objects.get().object_id == str(receipt.pk)


def test_replay_action_without_permission_does_nothing() -> None:
    client, receipt = operator(*SEES_ALL), dead()
    replay(client, receipt, confirmed="yes")
    receipt.refresh_from_db()
    assert receipt.state == "dead"


def test_receipt_is_replayed_from_its_page() -> None:
    client, receipt = operator(*SEES_ALL, "replay_receipt"), dead()
    page = f"/admin/webhooks/receipt/{receipt.pk}/replay/"
    assert client.get(page).status_code == 200
    receipt.refresh_from_db()
    assert receipt.state == "dead"
    assert client.post(page, {"confirmed": "yes"})["Location"] == f"/admin/webhooks/receipt/{receipt.pk}/change/"
    receipt.refresh_from_db()
    assert (receipt.state, LogEntry.objects.get().object_id) == ("pending", str(receipt.pk))


def test_failed_receipts_of_one_source_are_replayed_from_its_page() -> None:
    client, receipt, other = operator(*SEES_ALL, "replay_receipt"), dead(), dead()
    page = f"/admin/webhooks/source/{receipt.source.pk}/replay/"
    assert "failed receipts of" in client.get(page).content.decode()
    response = client.post(page, {"confirmed": "yes"})
    row = ReceiptReplay.objects.get()
    assert response["Location"] == f"/admin/webhooks/source/{receipt.source.pk}/change/"
    assert row.public_id in LogEntry.objects.get().get_change_message()
    run_slices()
    receipt.refresh_from_db()
    other.refresh_from_db()
    assert (receipt.state, other.state) == ("pending", "dead")


def test_replay_is_shown_with_its_progress_and_cancelled_by_post() -> None:
    receipt = dead()
    client = operator(*SEES_ALL, "replay_receipt", "view_receiptreplay", "change_receiptreplay")
    created = client.post(f"/admin/webhooks/source/{receipt.source.pk}/replay/", {"confirmed": "yes"})
    row = ReceiptReplay.objects.get()
    page = f"/admin/webhooks/receiptreplay/{row.pk}/change/"
    assert created["Location"] == page
    shown = client.get(page).content.decode()
    assert row.public_id in shown
    assert receipt.source.public_id in shown
    assert "Cancel replay of receipts" in shown
    assert row.public_id in client.get("/admin/webhooks/receiptreplay/").content.decode()
    cancel = f"/admin/webhooks/receiptreplay/{row.pk}/cancel/"
    assert client.get(cancel).status_code == 405
    client.post(cancel)
    row.refresh_from_db()
    assert (row.state, ReceiptReplay.objects.get().replayed) == ("cancelled", 0)
    assert "Cancel replay of receipts" not in client.get(page).content.decode()


def test_replay_is_not_cancelled_without_the_permission() -> None:
    row = ReceiptReplay.objects.create(filter={"state": "dead"})
    client = operator(*SEES_ALL, "view_receiptreplay")
    assert client.post(f"/admin/webhooks/receiptreplay/{row.pk}/cancel/").status_code == 403


@pytest.mark.parametrize("method", ["get", "post"])
def test_replay_pages_without_permission_are_forbidden(method: str) -> None:
    client, receipt = operator(*SEES_ALL), dead()
    for page in (f"receipt/{receipt.pk}", f"source/{receipt.source.pk}"):
        response = getattr(client, method)(f"/admin/webhooks/{page}/replay/", {"confirmed": "yes"})
        assert response.status_code == 403
    receipt.refresh_from_db()
    assert receipt.state == "dead"


def test_source_is_paused_and_resumed_with_the_permission_to_change_it() -> None:
    source = make_source()
    client = operator(*SEES_ALL, "change_source")
    chosen = {"_selected_action": [str(source.pk)]}
    client.post("/admin/webhooks/source/", {**chosen, "action": "pause"})
    assert Source.objects.get().paused_at is not None
    client.post("/admin/webhooks/source/", {**chosen, "action": "resume"})
    assert Source.objects.get().paused_at is None
