"""The page that sends a source a test message."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from tests.factories_receiver import SECRET, make_source
from tests.webhooks.admin.test_pages import SEES_ALL, operator
from webhooks.models import Receipt, Rejection, Source
from webhooks.sources.secret_rotation import add_secret, revoke
from webhooks.wire.signing.standard_webhooks import new_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def page(source: Source) -> str:
    return f"/admin/webhooks/source/{source.pk}/try/"


def send(client: Client, source: Source, **given: str) -> Any:
    return client.post(page(source), {"event_type": "waypost.test", "body": "", **given})


def test_the_page_of_a_source_leads_to_it_and_asking_sends_nothing() -> None:
    source, client = make_source(), operator(*SEES_ALL, "change_source")
    assert page(source).encode() in client.get(f"/admin/webhooks/source/{source.pk}/change/").content
    assert client.get(page(source)).status_code == 200
    assert not Receipt.objects.exists()


def test_a_test_is_sent_shown_and_written_down() -> None:
    source = make_source()
    shown = send(operator(*SEES_ALL, "change_source"), source).content.decode()
    assert Receipt.objects.get().public_id in shown
    assert "202 Accepted" in shown
    assert SECRET not in shown
    assert "webhook-signature: v1," in shown
    assert LogEntry.objects.get().object_id == str(source.pk)


def test_what_is_given_is_shown_as_text() -> None:
    client = operator(*SEES_ALL, "change_source")
    shown = send(client, make_source(), body="<script>alert(1)</script>").content
    assert b"<script>alert(1)" not in shown
    assert Receipt.objects.get().read() == b"<script>alert(1)</script>"


def test_what_the_door_refuses_is_shown_with_its_reason() -> None:
    shown = send(operator(*SEES_ALL, "change_source"), make_source(max_bytes=5)).content.decode()
    assert Rejection.objects.get().public_id in shown
    assert "413" in shown


def test_where_only_the_sender_signs_it_is_said() -> None:
    source = make_source(scheme="paypal", secret="4JH86294D6297924G")
    shown = send(operator(*SEES_ALL, "change_source"), source).content.decode()
    assert "PayPal signs with a key of its own" in shown
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("given", [{"event_type": ""}, {"event_type": "a b"}, {"body": "\0"}, {"body": "x" * 65_537}])
def test_what_makes_no_sense_is_asked_again(given: dict[str, str]) -> None:
    answer = send(operator(*SEES_ALL, "change_source"), make_source(), **given)
    assert answer.status_code == 200
    assert b"wh-error" in answer.content
    assert not Receipt.objects.exists()


def test_only_who_may_change_sources_sends() -> None:
    client, source = operator(*SEES_ALL), make_source()
    assert client.get(page(source)).status_code == 403
    assert send(client, source).status_code == 403
    assert send(Client(), source).status_code == 302
    assert not Receipt.objects.exists()


def test_a_deleted_source_is_not_tried() -> None:
    client = operator(*SEES_ALL, "change_source")
    assert send(client, make_source(deleted_at=timezone.now())).status_code == 404


def test_secrets_are_seen_by_their_ids_and_a_rejection_names_the_one_that_was_good_last() -> None:
    source = make_source()
    old = source.secrets.get()
    client = operator(*SEES_ALL, "change_source")
    send(client, source)
    add_secret(source, new_secret(), overlap=60)
    Client().post(f"/in/{source.public_id}/", b"forged", "text/plain")
    rejection = Rejection.objects.get()
    shown = client.get(f"/admin/webhooks/rejection/{rejection.pk}/change/").content.decode()
    assert old.public_id in shown
    revoke(old)
    shown = client.get(f"/admin/webhooks/rejection/{rejection.pk}/change/").content.decode()
    assert "revoked or expired since" in shown
    shown = client.get(f"/admin/webhooks/source/{source.pk}/change/").content.decode()
    assert source.secrets.get().public_id in shown


def test_the_page_of_a_receipt_names_the_secret_that_fitted() -> None:
    source = make_source()
    client = operator(*SEES_ALL, "change_source")
    send(client, source)
    page = f"/admin/webhooks/receipt/{Receipt.objects.get().pk}/change/"
    shown = client.get(page).content.decode()
    assert source.secrets.get().public_id in shown
    assert SECRET not in shown
    revoke(source.secrets.get())
    assert "revoked or expired since" in client.get(page).content.decode()
