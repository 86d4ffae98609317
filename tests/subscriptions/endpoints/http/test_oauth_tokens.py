"""OAuth tokens: requested from a real server on loopback, cached until shortly before they expire."""

import json
import time
from typing import Any

import pytest

from subscriptions.endpoints.http import oauth_tokens
from subscriptions.endpoints.http.credentials import client_credentials
from subscriptions.endpoints.http.oauth_tokens import (
    TokenRequestFailed,
    start_token_request,
    store_token,
    stored_tokens,
)
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
    """Return the stored token or a new one, as those do who send to the endpoint."""
    credentials = client_credentials(server.credentials(**more))
    bearer = stored_tokens({endpoint.id: credentials}).get(endpoint.id)
    if bearer is None or bearer.text == rejected:
        bearer = start_token_request(credentials, share=endpoint.tenant_id).result()
        store_token(endpoint.id, credentials, bearer)
    return bearer.text


@pytest.mark.parametrize("client_auth", ["basic", "body"])
def test_token_request_has_the_parameters_of_the_standard(server, client_auth):
    assert token(make_endpoint(), server, client_auth=client_auth, scope="a b", audience="x") == "token-1"
    (form,) = server.forms
    assert (form["grant_type"], form["scope"], form["audience"]) == ("client_credentials", "a b", "x")


def test_token_is_requested_once_and_stored_encrypted(server):
    endpoint = make_endpoint()
    assert [token(endpoint, server) for _ in range(3)] == ["token-1"] * 3
    assert b"token-1" not in bytes(OAuthToken.objects.get().ciphertext)


def test_each_endpoint_has_a_token_of_its_own(server):
    assert [token(make_endpoint(), server) for _ in range(2)] == ["token-1", "token-2"]


def test_rejected_token_is_replaced(server):
    endpoint = make_endpoint()
    assert token(endpoint, server) == "token-1"
    assert token(endpoint, server, rejected="token-1") == "token-2"
    assert token(endpoint, server, rejected="token-1") == "token-2"


def test_changed_credentials_request_another_token(server):
    endpoint = make_endpoint()
    assert [token(endpoint, server, scope=scope) for scope in "aab"] == ["token-1", "token-1", "token-2"]


def test_token_is_stale_shortly_before_it_expires(server, monkeypatch):
    endpoint = make_endpoint()
    assert token(endpoint, server) == "token-1"
    now = time.time()
    monkeypatch.setattr(oauth_tokens.time, "time", lambda: now + 3500)
    assert token(endpoint, server) == "token-1"
    monkeypatch.setattr(oauth_tokens.time, "time", lambda: now + 3580)
    assert token(endpoint, server) == "token-2"


def test_undecryptable_token_is_requested_again(server, settings):
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
    "response",
    [401, 500, 302, scripts.reset, *(scripts.status(200, body) for body in GARBAGE)],
    ids=[*"4532"[:3], "reset", *(body[:40].decode() for body in GARBAGE)],
)
def test_unusable_response_raises_and_stores_nothing(server, response):
    server.respond_with(response)
    with pytest.raises(TokenRequestFailed):
        token(make_endpoint(), server)
    assert not OAuthToken.objects.exists()


@pytest.mark.parametrize("members", [{}, {"expires_in": None}, {"expires_in": "3600", "token_type": None}])
def test_token_without_expiry_is_cached(server, members):
    server.respond_with(scripts.status(200, json.dumps({"access_token": "a", **members}).encode()))
    endpoint = make_endpoint()
    assert [token(endpoint, server) for _ in range(2)] == ["a", "a"]


def test_internal_token_server_is_not_called(server, settings):
    settings.WAYPOST_ALLOW_NETWORKS = []
    with pytest.raises(TokenRequestFailed):
        token(make_endpoint(), server)
    assert not server.forms
