"""Send a test message to a source in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from tests.factories_receiver import SECRET, make_source
from tests.webhooks.admin.operators import SEES_ALL, operator
from webhooks.models import Receipt, Rejection, Source
from webhooks.sources.secret_rotation import add_secret, revoke_secret
from webhooks.wire.signing.keys import new_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def page(source: Source) -> str:
    return f"/admin/webhooks/source/{source.pk}/test/"


def send(client: Client, source: Source, **given: str) -> Any:
    return client.post(page(source), {"event_type": "waypost.test", "body": "", **given})


def test_source_page_links_to_the_form_and_get_sends_nothing() -> None:
    source, client = make_source(), operator(*SEES_ALL, "change_source")
    assert page(source).encode() in client.get(f"/admin/webhooks/source/{source.pk}/change/").content
    assert client.get(page(source)).status_code == 200
    assert not Receipt.objects.exists()


def test_test_message_is_sent_shown_and_logged() -> None:
    source = make_source()
    shown = send(operator(*SEES_ALL, "change_source"), source).content.decode()
    assert Receipt.objects.get().public_id in shown
    assert "202 Accepted" in shown
    assert SECRET not in shown
    assert "webhook-signature: v1," in shown
    assert LogEntry.objects.get().object_id == str(source.pk)


def test_page_escapes_the_body() -> None:
    client = operator(*SEES_ALL, "change_source")
    shown = send(client, make_source(), body="<script>alert(1)</script>").content
    assert b"<script>alert(1)" not in shown
    assert Receipt.objects.get().read() == b"<script>alert(1)</script>"


def test_rejected_message_is_shown_with_its_reason() -> None:
    shown = send(operator(*SEES_ALL, "change_source"), make_source(max_bytes=5)).content.decode()
    assert Rejection.objects.get().public_id in shown
    assert "413" in shown


def test_scheme_with_a_key_of_the_sender_is_reported() -> None:
    source = make_source(scheme="paypal", secret="4JH86294D6297924G")
    shown = send(operator(*SEES_ALL, "change_source"), source).content.decode()
    assert "Only PayPal has the signing key" in shown
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("given", [{"event_type": ""}, {"event_type": "a b"}, {"body": "\0"}, {"body": "x" * 65_537}])
def test_invalid_value_shows_the_form_again(given: dict[str, str]) -> None:
    response = send(operator(*SEES_ALL, "change_source"), make_source(), **given)
    assert response.status_code == 200
    assert b"wp-error" in response.content
    assert not Receipt.objects.exists()


def test_page_without_permission_is_forbidden() -> None:
    client, source = operator(*SEES_ALL), make_source()
    assert client.get(page(source)).status_code == 403
    assert send(client, source).status_code == 403
    assert send(Client(), source).status_code == 302
    assert not Receipt.objects.exists()


def test_deleted_source_gets_no_test_message() -> None:
    client = operator(*SEES_ALL, "change_source")
    assert send(client, make_source(deleted_at=timezone.now())).status_code == 404


def test_rejection_page_shows_the_last_valid_secret_by_id() -> None:
    source = make_source()
    old = source.secrets.get()
    client = operator(*SEES_ALL, "change_source")
    send(client, source)
    add_secret(source, new_secret(), overlap=60)
    Client().post(f"/in/{source.public_id}/", b"forged", "text/plain")
    rejection = Rejection.objects.get()
    shown = client.get(f"/admin/webhooks/rejection/{rejection.pk}/change/").content.decode()
    assert old.public_id in shown
    revoke_secret(old)
    shown = client.get(f"/admin/webhooks/rejection/{rejection.pk}/change/").content.decode()
    assert "revoked or expired" in shown
    shown = client.get(f"/admin/webhooks/source/{source.pk}/change/").content.decode()
    assert source.secrets.get().public_id in shown


def test_receipt_page_shows_the_signing_secret_by_id() -> None:
    source = make_source()
    client = operator(*SEES_ALL, "change_source")
    send(client, source)
    page = f"/admin/webhooks/receipt/{Receipt.objects.get().pk}/change/"
    shown = client.get(page).content.decode()
    assert source.secrets.get().public_id in shown
    assert SECRET not in shown
    revoke_secret(source.secrets.get())
    assert "revoked or expired" in client.get(page).content.decode()
