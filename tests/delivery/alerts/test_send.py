"""Test sending to addresses and URLs, and the confirmation of addresses."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.core import mail
from django.test import Client

from delivery.alerts import send
from delivery.alerts.addresses import UnknownLink, find_address, link_of
from delivery.alerts.rules import create_rule
from delivery.alerts.trial import send_test
from delivery.models import AlertAddress, AlertMessage
from tests.delivery.alerts.factories import make_rule
from tests.receiver import Receiver
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail_is_set_up(settings: Any) -> None:
    settings.WAYPOST_MAIL_FROM = "Waypost <alerts@example.com>"


def make_message(**fields: Any) -> AlertMessage:
    given = {"kind": "firing", "email": "ops@example.com", "title": "Firing: a", "text": "b: wrong", **fields}
    return AlertMessage.objects.create(**given)


def test_mail_is_sent_once_with_an_id_of_its_own() -> None:
    message = make_message()
    assert (send.run(), send.run()) == (1, 0)
    (sent,) = mail.outbox
    assert (sent.subject, sent.body, sent.to) == ("Firing: a", "b: wrong", ["ops@example.com"])
    assert sent.extra_headers["Message-ID"] == f"<{message.public_id}@example.com>"
    message.refresh_from_db()
    assert (message.state, message.next_attempt_at) == ("sent", None)


def test_message_that_another_process_has_claimed_is_left_to_it_until_its_claim_ends() -> None:
    message = make_message()
    assert [it.pk for it in send.claim(uuid4())] == [message.pk]
    assert send.run() == 0
    AlertMessage.objects.update(next_attempt_at=database_now() - timedelta(seconds=1))
    assert send.run() == 1


def test_message_is_neglected_if_it_waits_and_no_process_claims_it() -> None:
    message = make_message()
    assert not send.is_neglected()
    late = database_now() - timedelta(seconds=send.NEGLECTED_AFTER + 1)
    AlertMessage.objects.filter(pk=message.pk).update(next_attempt_at=late)
    assert send.is_neglected()
    send.claim(uuid4())
    assert not send.is_neglected()


def test_failure_is_tried_again_later_and_given_up_in_the_end(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    message = make_message()
    for number in range(len(send.WAITS) + 1):
        AlertMessage.objects.update(next_attempt_at=database_now())
        send.run()
        message.refresh_from_db()
        assert message.attempts == number + 1
    assert (message.state, message.next_attempt_at, message.last_error) == ("failed", None, "ConnectionRefusedError")


def test_url_of_apprise_is_sent_to() -> None:
    with Receiver() as receiver:
        url = receiver.url("/alerts").replace("http://", "json://")
        create_rule(None, name="Fails", condition="endpoint_failing", channels=[{"type": "apprise", "url": url}])
        rule = create_rule(None, name="b", condition="endpoint_failing", channels=[{"type": "apprise", "url": url}])
        send_test(rule)
        assert send.run() == 1
        (arrived,) = receiver.at("/alerts")
    assert orjson.loads(arrived.body)["title"] == "Test: b: Test"


def test_owner_confirms_by_the_link_of_the_mail_and_stops_by_the_same() -> None:
    make_rule(channels=[{"type": "email", "email": "ops@example.com"}])
    send.run()
    address = AlertAddress.objects.get()
    path = link_of(address).partition("8000")[2]
    assert link_of(address) in mail.outbox[0].body
    client = Client()
    asked = client.get(path).content.decode()
    assert "Receive these e-mails" in asked
    assert 'rel="stylesheet"' in asked
    assert AlertAddress.objects.get().confirmed_at is None
    client.post(path, {"do": "confirm"})
    assert AlertAddress.objects.get().confirmed_at is not None
    assert "Stop" in client.get(path).content.decode()
    client.post(path, {"do": "stop"})
    assert AlertAddress.objects.get().confirmed_at is None


def test_link_that_was_not_made_here_is_not_found() -> None:
    with pytest.raises(UnknownLink):
        find_address("a.b.c")
    assert Client().get("/alert-addresses/a.b.c/").status_code == 404
