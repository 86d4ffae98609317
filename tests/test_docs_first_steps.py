"""Run the commands of the pages for beginners, in their order, and look at what they promise."""

import json
import re
import shlex
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from rest_framework.test import APIClient

from delivery.models import Delivery
from tests.dns_server import Answer, DnsServer

pytestmark = pytest.mark.django_db

DOCS = Path(django_settings.BASE_DIR) / "docs"
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
MANAGE = ".venv/bin/python manage.py "


class Call(NamedTuple):
    """A command of curl and its response."""

    method: str
    path: str
    headers: dict[str, str]
    response: Any


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


def commands(page: str) -> Iterator[str]:
    """Yield the commands of a page that the API or manage.py runs, without those that need an id of the reader's."""
    for block in BLOCK.findall((DOCS / page).read_text()):
        joined = re.sub(r"\\\n\s*", "", block)
        for command in re.split(r"\n(?= *(?:curl|export|\.venv))", joined):
            if command.strip().startswith(("curl ", MANAGE)) and "_..." not in command:
                yield command.strip()


def run(page: str, *keys: str) -> list[Call]:
    """Run the commands of a page; its keys are printed in this order. Return its calls of the API."""
    names, known, calls = iter(keys), {"API": "/api/v1"}, []
    for command in commands(page):
        if command.startswith(MANAGE):
            out = StringIO()
            call_command(*shlex.split(command.removeprefix(MANAGE)), stdout=out)
            known[next(names)] = json.loads(out.getvalue())["api_key"]
            continue
        call = curl(command, known)
        assert call.response.status_code < 300, (command, call.response.content)
        calls.append(call)
        made = call.response.json()
        if call.path.endswith("/keys/") and "CUSTOMER" not in known:
            known["CUSTOMER"] = made["key"]
    return calls


def curl(command: str, known: dict[str, str]) -> Call:
    """Send the request of a command to the views."""
    words = iter(shlex.split(re.sub(r"\$([A-Z_]+)", lambda it: known[it[1]], command))[1:])
    method, path, headers, body = "", "", {}, ""
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(":")
            headers[name.strip()] = value.strip()
        elif word == "-d":
            body = next(words)
        elif word != "-s":
            path = word
    method = method or ("POST" if body else "GET")
    content_type = headers.pop("Content-Type", "application/json")
    response = APIClient().generic(method, path, body, content_type, headers=headers)
    return Call(method, path, headers, response)


def test_quickstart_sends_to_the_endpoint_of_the_customer_that_is_named() -> None:
    calls = run("quickstart.md", "KEY")
    published = [it.response.json()["deliveries"] for it in calls if it.path.endswith("/events/")]
    assert published == [1, 0]
    assert [it.endpoint.tenant.uid for it in Delivery.objects.all()] == ["acme"]
    (pending,) = [it.response.json()["data"] for it in calls if "/deliveries/" in it.path]
    assert len(pending) == 1


def test_first_integration_ends_with_a_customer_who_receives_its_own_events() -> None:
    calls = run("how-to/your-first-integration.md", "PUBLISHER", "ACCOUNTS")
    single, batch, *last = [it.response.json() for it in calls if it.path.endswith("/events/")]
    assert single["deliveries"] == 0
    assert [it.get("event_id") for it in batch["data"]] == ["18", "19", None]
    problem = batch["data"][2]["error"]
    assert problem["detail"] == "There is no tenant 'hooli'; create it with PUT /api/v1/tenants/hooli/."
    assert [it["deliveries"] for it in last] == [1, 0]
    (listed,) = [it.response.json()["data"] for it in calls if it.path.endswith("/deliveries/")]
    assert len(listed) == 1
    preview, made = [it.response.json() for it in calls if "/broadcasts/" in it.path]
    assert (preview["total"], made["total"]) == (1, 1)


def test_operational_events_page_sets_up_the_platforms_own_tenant(dns: DnsServer) -> None:
    dns.answers["ops.example.com"] = Answer(("93.184.215.14",))
    known = {"API": "/api/v1"}
    out = StringIO()
    call_command("platform_key", "test", stdout=out)
    known["PLATFORM_KEY"] = json.loads(out.getvalue())["api_key"]
    made = [curl(it, known) for it in commands("reference/operational-events.md") if "$PLATFORM_KEY" in it]
    assert [it.response.status_code for it in made] == [201, 201, 201]
    assert made[0].response.json()["is_platform"] is True
