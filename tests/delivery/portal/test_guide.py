"""Check the blocks of docs/how-to/portal.md."""

import json
import re
import shlex
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from delivery.portal import opening
from subscriptions.models import PortalLink
from tests.delivery.portal.sessions import KEY, keep_cookie, text_of
from tests.docs.inventory import blocks_for
from tests.factories import make_client, make_tenant

NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
ELEMENT = Path("delivery/static/delivery/portal/waypost-portal.js")


@pytest.mark.django_db
def test_link_of_the_page_is_accepted():
    (block,) = blocks_for("portal-link")
    body = json.loads(block.text.partition("-d '")[2].rpartition("'")[0])
    tenant = make_tenant()
    made = make_client(None).post(
        "/api/v1/portal-links/", body, format="json", headers={"Waypost-Tenant": tenant.public_id}
    )
    assert made.status_code == 201, made.content
    assert PortalLink.objects.get().theme == body["theme"]


def test_element_of_the_page_has_the_attributes_that_it_reads():
    (block,) = blocks_for("portal-element")
    script = ELEMENT.read_text()
    assert len(script) <= 2048
    assert "/static/delivery/portal/waypost-portal.js" in block.text
    element = re.search(r"<waypost-portal ([^>]*)>", block.text)
    assert element
    for name in re.findall(r"(\w+)=", element[1]):
        assert f'"{name}"' in script


@pytest.mark.django_db
def test_command_of_the_page_prints_a_link(client):
    (block,) = blocks_for("portal-command")
    python, program, *arguments = shlex.split(block.text)
    assert (python, program) == (".venv/bin/python", "manage.py")
    out = StringIO()
    call_command(*arguments, stdout=out)
    opening.attempts.clear()
    response = client.get(urlsplit(json.loads(out.getvalue())["url"]).path, headers=NAVIGATION)
    assert response["Location"] == "/portal/"


@pytest.mark.django_db
def test_link_that_the_example_signs_opens_the_portal(client, settings, monkeypatch):
    (block,) = blocks_for("portal-signed")
    settings.WAYPOST_PORTAL_KEYS = [KEY]
    monkeypatch.setenv("PORTAL_KEY", KEY)
    opening.attempts.clear()
    example: dict[str, object] = {}
    exec(block.text, example)
    tenant = make_tenant(uid="acme-7")
    for name in ("ada@example.com", "ada@example.com"):
        path = urlsplit(example["portal_url"](name, "acme-7")).path
        response = client.get(path, headers=NAVIGATION)
        assert response["Location"] == "/portal/"
    keep_cookie(client, response)
    assert "ada@example.com" in text_of(client.get("/portal/"))
    assert {it.tenant for it in PortalLink.objects.all()} == {tenant}
    assert PortalLink.objects.count() == 2
