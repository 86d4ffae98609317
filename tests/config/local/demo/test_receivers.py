"""Test the demo's receivers: they follow their script and accept only signed messages."""

import time
from collections.abc import Iterator

import pytest
import requests

from config.local.demo.receivers import GONE, MAX_FAILING_MESSAGES, Receiver, flaky_status
from webhooks.wire.signing.keys import new_secret
from webhooks.wire.signing.standard_webhooks import sign

BODY = '{"type": "order.paid", "data": "Žofie"}'.encode()


@pytest.fixture
def failing() -> Iterator[Receiver]:
    yield from listening(Receiver(flaky_status))


@pytest.fixture
def gone() -> Iterator[Receiver]:
    yield from listening(Receiver(lambda number, attempt: GONE))


def listening(receiver: Receiver) -> Iterator[Receiver]:
    receiver.secret = new_secret()
    with receiver.listening():
        yield receiver


def send(receiver: Receiver, message: str = "evt_1", body: bytes = BODY, secret: str = "") -> int:
    now = int(time.time())
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret or receiver.secret, message, now, body),
    }
    with requests.Session() as session:
        session.trust_env = False
        return session.post(receiver.url, body, headers=headers).status_code


def test_flaky_receiver_fails_twice_for_each_message_and_then_accepts(failing: Receiver) -> None:
    assert [send(failing, "evt_1") for _ in range(4)] == [503, 500, 200, 200]
    assert send(failing, "evt_2") == 503
    assert (failing.statuses.total(), failing.statuses[200]) == (5, 2)


def test_flaky_receiver_accepts_at_once_after_the_first_hundred_messages(failing: Receiver) -> None:
    first = [failing.receive(signed(failing, f"evt_{number}"), BODY) for number in range(MAX_FAILING_MESSAGES + 1)]
    assert first == [503] * MAX_FAILING_MESSAGES + [200]
    assert failing.receive(signed(failing, "evt_0"), BODY) == 500


def signed(receiver: Receiver, message: str) -> dict[str, str]:
    now = int(time.time())
    signature = sign(receiver.secret, message, now, BODY)
    return {"webhook-id": message, "webhook-timestamp": str(now), "webhook-signature": signature}


def test_gone_receiver_responds_410_until_it_is_repaired(gone: Receiver) -> None:
    assert send(gone) == 410
    gone.respond = lambda number, attempt: 200
    assert send(gone) == 200


def test_message_signed_with_another_secret_is_counted_and_not_kept(gone: Receiver) -> None:
    assert send(gone, secret=new_secret()) == 401
    assert (gone.statuses[401], gone.bodies) == (1, {})


def test_message_without_a_valid_signature_is_rejected(gone: Receiver) -> None:
    assert gone.receive({}, BODY) == 401
    assert gone.receive({"webhook-id": "1", "webhook-timestamp": "x", "webhook-signature": "v1"}, BODY) == 401


def test_message_whose_bytes_change_between_attempts_is_noted(gone: Receiver) -> None:
    send(gone, body=BODY)
    send(gone, body=BODY + b" ")
    assert gone.changed == {"evt_1"}
    assert gone.bodies == {"evt_1": BODY}
