"""Tokens come from a real server on loopback, and are kept until shortly before their end."""

import json
import time
from typing import Any

import pytest

from subscriptions.endpoints import oauth_tokens
from subscriptions.endpoints.credentials import client_credentials
from subscriptions.endpoints.oauth_tokens import TokenRequestFailed, get_token
from subscriptions.models import OAuthToken
from tests import receiver as scripts
from tests.factories import make_endpoint
from tests.receiver import Receiver
from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def loopback(names: None, settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


@pytest.fixture
def server():
    with Receiver() as receiver:
        yield TokenServer(receiver)


def token(endpoint, server, rejected=None, **more):
    return get_token(endpoint.id, client_credentials(server.credentials(**more)), rejected=rejected).text


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_it_asks_as_the_standard_says(server, client_auth):
    assert token(make_endpoint(), server, client_auth=client_auth, scope="a b", audience="x") == "token-1"
    (asked,) = server.asked
    assert (asked["grant_type"], asked["scope"], asked["audience"]) == ("client_credentials", "a b", "x")


def test_a_token_is_asked_for_once_and_every_process_finds_it(server):
    endpoint = make_endpoint()
    assert [token(endpoint, server) for _ in range(3)] == ["token-1"] * 3
    assert b"token-1" not in bytes(OAuthToken.objects.get().ciphertext)


def test_each_endpoint_has_its_own(server):
    assert [token(make_endpoint(), server) for _ in range(2)] == ["token-1", "token-2"]


def test_one_that_was_rejected_is_replaced(server):
    endpoint = make_endpoint()
    assert token(endpoint, server) == "token-1"
    assert token(endpoint, server, rejected="token-1") == "token-2"
    assert token(endpoint, server, rejected="token-1") == "token-2"


def test_other_credentials_mean_another_token(server):
    endpoint = make_endpoint()
    assert [token(endpoint, server, scope=scope) for scope in "aab"] == ["token-1", "token-1", "token-2"]


def test_it_is_over_a_little_before_its_end(server, monkeypatch):
    endpoint = make_endpoint()
    assert token(endpoint, server) == "token-1"
    now = time.time()
    monkeypatch.setattr(oauth_tokens.time, "time", lambda: now + 3500)
    assert token(endpoint, server) == "token-1"
    monkeypatch.setattr(oauth_tokens.time, "time", lambda: now + 3580)
    assert token(endpoint, server) == "token-2"


def test_under_another_key_the_kept_one_is_asked_for_anew(server, settings):
    endpoint = make_endpoint()
    token(endpoint, server)
    settings.WAYPOST_ENCRYPTION_KEYS = ["q7H1L4NLcFxRfOjGqhYvEwRrW0iVxPzQkYtq7cVbVZs="]
    assert token(endpoint, server) == "token-2"


GARBAGE = [
    b"",
    b"token",
    b"[]",
    b"null",
    b"{}",
    b'{"access_token": 5}',
    b'{"access_token": ""}',
    b'{"access_token": "a b"}',
    b'{"access_token": "a\\r\\nhost: b"}',
    b'{"access_token": "a", "token_type": "mac"}',
    b'{"access_token": "a", "expires_in": "soon"}',
    b'{"access_token": "a", "expires_in": -5}',
    b'{"access_token": "a", "expires_in": NaN}',
    b'{"access_token": "a", "expires_in": 1' + b"0" * 400 + b"}",
    b"[" * 100_000,
]


@pytest.mark.parametrize(
    "answer",
    [401, 500, 302, scripts.reset, *(scripts.status(200, body) for body in GARBAGE)],
    ids=[*"4532"[:3], "reset", *(body[:40].decode() for body in GARBAGE)],
)
def test_whatever_else_it_answers_there_is_no_token(server, answer):
    server.answers(answer)
    with pytest.raises(TokenRequestFailed):
        token(make_endpoint(), server)
    assert not OAuthToken.objects.exists()


def test_a_token_that_says_nothing_of_its_life_is_kept_for_a_while(server):
    server.answers(scripts.status(200, json.dumps({"access_token": "a"}).encode()))
    endpoint = make_endpoint()
    assert [token(endpoint, server) for _ in range(2)] == ["a", "a"]


def test_a_token_server_inside_is_not_called(server, settings):
    settings.WAYPOST_ALLOW_NETWORKS = []
    with pytest.raises(TokenRequestFailed):
        token(make_endpoint(), server)
    assert not server.asked
