"""Test signing in by an identity provider, with one on a socket of the test."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from joserfc import jwt
from joserfc.jwk import RSAKey

from config.access.identity_provider import documents
from config.access.roles import make_roles

pytestmark = pytest.mark.django_db

KEY = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256", "use": "sig"})


class Provider:
    """An identity provider, which signs in one user."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {
            "email": "Ada@example.com",
            "email_verified": True,
            "groups": ["waypost-operator"],
        }
        self.token: dict[str, Any] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.respond(provider.document(urlsplit(self.path).path))

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.respond({"access_token": "a", "id_token": provider.id_token()})

            def respond(self, body: Any) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def document(self, path: str) -> Any:
        if path == "/keys":
            return {"keys": [KEY.as_dict(private=False)]}
        if path == "/user":
            return self.claims
        names = {"authorization_endpoint": "login", "token_endpoint": "token"}
        names |= {"userinfo_endpoint": "user", "jwks_uri": "keys"}
        return {"issuer": self.url, **{name: f"{self.url}/{place}" for name, place in names.items()}}

    def id_token(self) -> str:
        claims = {"iss": self.url, "aud": "waypost", "sub": "1", "exp": int(time.time()) + 3600, **self.token}
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, KEY)


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    made = Provider()
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    settings.WAYPOST_OIDC_ISSUER, settings.OIDC_RP_CLIENT_ID = made.url, "waypost"
    settings.AUTHENTICATION_BACKENDS = [
        *settings.AUTHENTICATION_BACKENDS,
        "config.access.identity_provider.ProviderBackend",
    ]
    make_roles()
    documents.clear()
    yield made
    made.server.shutdown()
    made.server.server_close()


def sign_in(provider: Provider) -> tuple[Client, Any]:
    client = Client()
    there = client.get("/admin/sign-in/")
    query = parse_qs(urlsplit(there["Location"]).query)
    assert there["Location"].startswith(f"{provider.url}/login?")
    assert query["code_challenge_method"] == ["S256"]
    provider.token = {"nonce": query["nonce"][0], **provider.token}
    return client, client.get("/admin/sign-in/callback/", {"code": "c", "state": query["state"][0]})


def test_user_of_the_provider_gets_the_role_that_the_claim_names(provider: Provider) -> None:
    client, response = sign_in(provider)
    assert (response.status_code, response["Location"]) == (302, "/admin/")
    user = User.objects.get(username="ada@example.com")
    assert [group.name for group in user.groups.all()] == ["operator"]
    assert user.is_staff
    assert not user.is_superuser
    assert not user.has_usable_password()
    assert client.get("/admin/subscriptions/endpoint/").status_code == 200


def test_role_that_the_claim_no_longer_names_is_lost_at_the_next_sign_in(provider: Provider) -> None:
    sign_in(provider)
    provider.claims["groups"], provider.token = ["viewer", "others"], {}
    sign_in(provider)
    assert [it.name for it in User.objects.get(username="ada@example.com").groups.all()] == ["viewer"]


@pytest.mark.parametrize(
    "changed",
    [
        {"claims": {"groups": ["others"]}},
        {"claims": {"email_verified": False}},
        {"token": {"aud": "another"}},
        {"token": {"iss": "https://evil.example"}},
        {"token": {"nonce": "another"}},
        {"token": {"exp": 1}},
    ],
    ids=["no-role", "unconfirmed", "audience", "issuer", "nonce", "expired"],
)
def test_user_without_a_role_or_with_a_token_of_another_party_is_not_signed_in(
    provider: Provider, changed: dict[str, Any]
) -> None:
    provider.claims |= changed.get("claims", {})
    provider.token |= changed.get("token", {})
    client, response = sign_in(provider)
    assert response["Location"] == "/admin/login/"
    assert b"gives you no role" in client.get("/admin/login/").content
    assert not User.objects.exists()


def test_local_user_with_a_password_is_not_taken_for_one_of_the_provider(provider: Provider) -> None:
    User.objects.create_superuser("ada@example.com", password="x" * 12)
    _, response = sign_in(provider)
    assert response["Location"] == "/admin/login/"


def test_page_of_the_sign_in_offers_the_provider_only_where_one_is_set(provider: Provider, settings: Any) -> None:
    assert b"identity provider" in Client().get("/admin/login/").content
    settings.WAYPOST_OIDC_ISSUER = ""
    assert b"identity provider" not in Client().get("/admin/login/").content
    assert Client().get("/admin/sign-in/").status_code == 404
