"""Run the commands of the pages for beginners, in their order, and look at what they promise."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from rest_framework.test import APIClient

from config.local.demo.story import INVITATION
from config.web.application import WebApplication
from delivery.models import Delivery
from delivery.sending.drain import deliver_due
from subscriptions.models import Inspector
from tests.config.web.server import serving
from tests.dns_server import Answer, DnsServer
from tests.docs.blocks import blocks_of
from tests.factories import make_tenant
from tests.factories_receiver import make_source
from tests.threads import ClosingThreads
from webhooks.kit.fair.threads import request_threads

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

    @property
    def sends(self) -> bool:
        """Return whether deliveries are due after this call."""
        return self.path.endswith(("/events/", "/retry/"))


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Serve the platform, without workers; return the port."""
    with ClosingThreads(2) as threads:
        monkeypatch.setattr(request_threads(), "executor", threads)
        with serving(WebApplication()) as port:
            yield port


def commands(page: str) -> Iterator[str]:
    """Yield the commands of a page that the API or manage.py runs, in order."""
    for block in BLOCK.findall((DOCS / page).read_text()):
        joined = re.sub(r"\\\n\s*", "", block)
        for command in re.split(r"\n(?= *(?:curl|export|\.venv))", joined):
            if command.strip().startswith(("curl ", "export KEY=", MANAGE)):
                yield command.strip()


def run(page: str, *keys: str, after: Callable[[Call], object] = lambda call: None) -> list[Call]:
    """Run the commands of a page; its keys are printed in this order. Return its calls of the API."""
    names, known, calls = iter(keys), {"API": "/api/v1"}, []
    for command in commands(page):
        if command.startswith(MANAGE):
            out = StringIO()
            call_command(*shlex.split(command.removeprefix(MANAGE)), stdout=out)
            known[next(names)] = json.loads(out.getvalue())["api_key"]
            continue
        if command.startswith("export "):
            known["KEY"] = calls[-1].response.json()["key"]
            continue
        call = curl(command, known)
        assert call.response.status_code < 300, (command, call.response.content)
        calls.append(call)
        after(call)
        made = call.response.json()
        if call.path.endswith("/inspectors/"):
            known |= {"INSPECTOR": made["id"], "URL": made["url"]}
        if call.path.endswith("/keys/") and "CUSTOMER" not in known:
            known["CUSTOMER"] = made["key"]
    return calls


def curl(command: str, known: dict[str, str]) -> Call:
    """Send the request of a command to the views."""
    command = re.sub(r"\bdlv_\.\.\.", lambda _: Delivery.objects.latest("pk").public_id, command)
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


@pytest.mark.django_db(transaction=True)
def test_quickstart_shows_the_webhooks_of_the_customer_that_is_named(settings: Any, platform: int) -> None:
    """Without any setting: the web server is the platform's own, and deliveries are sent as workers send them."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = False, []
    settings.PUBLIC_URL = f"http://127.0.0.1:{platform}"
    calls = run("quickstart.md", "KEY", after=lambda call: deliver_due(idle_timeout=0.1) if call.sends else None)
    published = [it.response.json()["deliveries"] for it in calls if it.path.endswith("/events/")]
    assert published == [1, 0, 1]
    assert {it.endpoint.tenant.uid for it in Delivery.objects.all()} == {"acme"}
    (pending,) = [it.response.json()["data"] for it in calls if "/deliveries/?" in it.path]
    assert [it["last_status"] for it in pending] == [503]
    attempts, attempt = [it.response.json() for it in calls if "/attempts/" in it.path]
    assert [it["status"] for it in attempts["data"]] == [503]
    assert attempt["request"]["headers"]["webhook-id"] in attempt["curl"]
    assert {it.state for it in Delivery.objects.all()} == {"delivered"}
    (made,) = [it.response.json() for it in calls if it.path.endswith("/inspectors/")]
    kept = list(Inspector.objects.get().requests.order_by("pk"))
    assert [it.is_verified for it in kept] == [True] * 3
    assert [json.loads(bytes(it.body))["data"] for it in kept] == [{"total": 42}, {"total": 43}, {"total": 43}]
    assert kept[1].headers["webhook-id"] == kept[2].headers["webhook-id"]
    assert [it["uid"] for it in calls[-1].response.json()["data"]] == ["shop"]
    page = APIClient().get(urlsplit(made["page_url"]).path).content.decode()
    assert page.count("signature valid") == 3


def test_key_that_the_quickstart_shows_has_the_form_of_one_that_is_printed() -> None:
    out = StringIO()
    call_command("platform_key", "Quickstart", stdout=out)
    (shown,) = [json.loads(it.text) for it in blocks_of("docs/quickstart.md") if it.language == "json"]
    printed = json.loads(out.getvalue())
    assert shown.keys() <= printed.keys()
    assert (shown["id"][:4], shown["api_key"][:3]) == (printed["id"][:4], printed["api_key"][:3])
    assert len(shown["id"]) == len(printed["id"])


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


def test_commands_that_the_demo_suggests_are_accepted() -> None:
    source = make_source(tenant_id=make_tenant(uid="acme").pk)
    out = StringIO()
    call_command("platform_key", "test", stdout=out)
    key = json.loads(out.getvalue())["api_key"]
    filled = INVITATION.format(address="", password="", log="", key=key, source=source.public_id)
    known = {"API": "/api/v1", "AUTH": f"Authorization: Bearer {key}", "FOR": "Waypost-Tenant: acme"}
    calls = [curl(it.strip(), known) for it in filled.splitlines() if it.strip().startswith("curl ")]
    assert [it.response.status_code for it in calls] == [202, 200, 200, 200, 201]


def test_operational_events_page_sets_up_the_platforms_own_tenant(dns: DnsServer) -> None:
    dns.answers["ops.example.com"] = Answer(("93.184.215.14",))
    known = {"API": "/api/v1"}
    out = StringIO()
    call_command("platform_key", "test", stdout=out)
    known["PLATFORM_KEY"] = json.loads(out.getvalue())["api_key"]
    made = [curl(it, known) for it in commands("reference/operational-events.md") if "$PLATFORM_KEY" in it]
    assert [it.response.status_code for it in made] == [201, 201, 201]
    assert made[0].response.json()["is_platform"] is True
