"""The two scripted servers: they follow their script, and believe nothing that is not signed."""

import time
from collections.abc import Iterator

import pytest
import requests

from config.local.demo.listeners import MOST_STUMBLES, Gone, Listener, Stumbling
from webhooks.wire.signing.standard_webhooks import new_secret, sign

BODY = '{"type": "order.paid", "data": "Žofie"}'.encode()


@pytest.fixture
def stumbling() -> Iterator[Listener]:
    yield from listening(Stumbling("stumbling"))


@pytest.fixture
def gone() -> Iterator[Gone]:
    yield from listening(Gone("gone"))


def listening(listener: Listener) -> Iterator[Listener]:
    listener.secret = new_secret()
    with listener.listening():
        yield listener


def send(listener: Listener, message: str = "evt_1", body: bytes = BODY, secret: str = "") -> int:
    now = int(time.time())
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret or listener.secret, message, now, body),
    }
    with requests.Session() as session:
        session.trust_env = False
        return session.post(listener.url, body, headers=headers).status_code


def test_each_message_is_refused_twice_and_then_accepted(stumbling: Listener) -> None:
    assert [send(stumbling, "evt_1") for _ in range(4)] == [503, 500, 200, 200]
    assert send(stumbling, "evt_2") == 503
    assert (stumbling.requests, stumbling.accepted) == (5, 2)


def test_beyond_the_first_hundred_messages_nothing_is_refused(stumbling: Listener) -> None:
    first = [stumbling.take(signed(stumbling, f"evt_{number}"), BODY) for number in range(MOST_STUMBLES + 1)]
    assert first == [503] * MOST_STUMBLES + [200]
    assert stumbling.take(signed(stumbling, "evt_0"), BODY) == 500


def signed(listener: Listener, message: str) -> dict[str, str]:
    now = int(time.time())
    signature = sign(listener.secret, message, now, BODY)
    return {"webhook-id": message, "webhook-timestamp": str(now), "webhook-signature": signature}


def test_it_is_gone_until_it_is_repaired(gone: Gone) -> None:
    assert send(gone) == 410
    gone.repaired = True
    assert send(gone) == 200


def test_what_is_signed_with_another_secret_is_counted_and_not_kept(gone: Gone) -> None:
    assert send(gone, secret=new_secret()) == 401
    assert (gone.statuses[401], gone.bodies) == (1, {})


def test_what_is_not_signed_at_all_is_not_believed(gone: Gone) -> None:
    assert gone.take({}, BODY) == 401
    assert gone.take({"webhook-id": "1", "webhook-timestamp": "x", "webhook-signature": "v1"}, BODY) == 401


def test_a_message_whose_bytes_change_between_attempts_is_found_out(gone: Gone) -> None:
    send(gone, body=BODY)
    send(gone, body=BODY + b" ")
    assert gone.changed == {"evt_1"}
    assert gone.bodies == {"evt_1": BODY}
