"""Open portal sessions for tests."""

from typing import Any

from django.http import HttpResponse
from django.test import Client

from delivery.portal.gate import COOKIE, csrf_token
from subscriptions.models import PortalLink, Tenant
from subscriptions.portal_access.links import create_link, open_link


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


def text_of(response: HttpResponse) -> str:
    return response.content.decode()
