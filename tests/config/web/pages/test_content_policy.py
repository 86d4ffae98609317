"""Test the policy of pages: every page has one, and no page has a script or a style in it."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint
from tests.factories_receiver import make_receipt, make_source
from webhooks.audit.models import AuditEntry

pytestmark = pytest.mark.django_db

INLINE = re.compile(r"<style\b|<script\b(?![^>]*\bsrc=)(?![^>]*application/json)|\son[a-z]+\s*=\s*[\"']|javascript:")
OPEN = ("/", "/problems/", "/problems/invalid/", "/catalogue/", "/api/v1/docs/", "/admin/login/", "/nothing/")


def policy_of(response: object) -> dict[str, str]:
    text = str(response["Content-Security-Policy"])  # type: ignore[index]
    return dict(part.strip().split(" ", 1) for part in text.split(";"))


@pytest.mark.parametrize("path", OPEN)
def test_open_page_has_a_policy_without_inline_scripts_and_nothing_that_breaks_it(path: str) -> None:
    response = Client().get(path)
    policy = policy_of(response)
    assert "'unsafe-inline'" not in policy.get("script-src", policy["default-src"])
    assert INLINE.findall(response.content.decode()) == []


def test_page_of_the_admin_has_a_policy_and_nothing_that_breaks_it() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x" * 12))
    endpoint, source, receipt = make_endpoint(), make_source(), make_receipt()
    delivery = make_delivery(make_event(endpoint.tenant), endpoint)
    lists = [f"/admin/{app}/" for app in ("webhooks/auditentry", "webhooks/source", "subscriptions/tenant")]
    lists += ["/admin/", "/admin/delivery/delivery/", "/admin/webhooks/source/add/", "/admin/auth/user/"]
    pages = [
        f"/admin/subscriptions/endpoint/{endpoint.pk}/change/",
        f"/admin/subscriptions/endpoint/{endpoint.pk}/history/",
        f"/admin/delivery/delivery/{delivery.pk}/change/",
        f"/admin/webhooks/source/{source.pk}/change/",
        f"/admin/webhooks/receipt/{receipt.pk}/change/",
        f"/admin/webhooks/auditentry/{AuditEntry.objects.latest('id').pk}/change/",
        "/admin/second-factor/",
        "/admin/nothing/",
    ]
    for path in lists + pages:
        response = client.get(path)
        assert response.status_code in (200, 404), path
        policy = policy_of(response)
        assert "'unsafe-inline'" not in policy["script-src"] + policy["style-src"]
        assert policy["frame-ancestors"] == "'none'"
        assert INLINE.findall(response.content.decode()) == [], path


def test_icon_that_browsers_ask_for_is_there() -> None:
    response = Client().get("/favicon.ico")
    assert (response.status_code, response["Location"]) == (302, "/static/config/favicon.svg")
