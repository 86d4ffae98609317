"""Open portal sessions for tests."""

import time
from http.cookies import SimpleCookie
from typing import Any

import jwt
from django.http import HttpResponse
from django.test import Client, override_settings

from delivery.portal.gate import COOKIE, csrf_token
from subscriptions.api.portal.signed_links import read_signed_link
from subscriptions.models import Capability, PortalLink, Tenant
from subscriptions.portal_access.links import create_link, open_link, open_unsaved

KEY = "k" * 40  # with which the host's application signs links


class PortalClient(Client):
    """A browser with a portal session, which sends forms with the token of their page."""

    link: PortalLink

    def send(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> Any:
        token = csrf_token(self.cookies[COOKIE].value)
        return self.post(path, {"csrf": token, **(fields or {})}, headers=headers)


def portal_client(tenant: Tenant, *capabilities: str, **fields: Any) -> PortalClient:
    """Return a browser with a session; all capabilities unless some are given."""
    chosen = {"capabilities": capabilities} if capabilities else {}
    link, url = create_link(tenant, created_by="wp_test", **chosen, **fields)
    opened = open_link(url.rstrip("/").rpartition("/")[2])
    assert opened
    client = PortalClient()
    client.link, client.cookies[COOKIE] = opened[0], opened[1]
    assert client.link.pk == link.pk
    return client


def signed_in_client(tenant: Tenant, **claims: Any) -> PortalClient:
    """Return a browser with a session that a link has opened which the host's application has signed."""
    given = {
        "aud": "waypost-portal",
        "exp": int(time.time()) + 60,
        "jti": tenant.public_id,
        "sub": "ada",
        "tenant": tenant.public_id,
        "capabilities": Capability.values,
        **claims,
    }
    with override_settings(WAYPOST_PORTAL_KEYS=[KEY]):
        link = read_signed_link(jwt.encode(given, KEY, algorithm="HS256"))
    opened = link and open_unsaved(link)
    assert opened
    client = PortalClient()
    client.link, client.cookies[COOKIE] = opened
    return client


def keep_cookie(client: Client, response: HttpResponse) -> None:
    """Keep the cookie of a response, which Django's own test client does not see, as a browser does."""
    client.cookies[COOKIE] = SimpleCookie(response["Set-Cookie"])[COOKIE].value


def text_of(response: HttpResponse) -> str:
    return response.content.decode()
