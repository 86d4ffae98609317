"""Requests that wait for servers of others, through the real web server: a tenant's do not delay another tenant's."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from config.web.application import WebApplication
from subscriptions.models import Endpoint, Tenant
from tests import receiver as scripts
from tests.config.web.server import send, serving
from tests.dns_server import Answer, DnsServer
from tests.factories import make_endpoint, make_key, make_tenant
from tests.receiver import Receiver
from tests.threads import ClosingThreads
from tests.waiting import wait_until
from webhooks.kit.fair.threads import request_threads
from webhooks.outgoing.call_limits import calls_per_host

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 4
API = "/api/v1/endpoints/"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[int]:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.PUBLIC_URL = "https://hooks.waypost.example"
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with ClosingThreads(THREADS) as threads:
        monkeypatch.setattr(request_threads(), "executor", threads)
        with serving(WebApplication()) as port:
            yield port


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as it:
        yield it


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as threads:
        yield threads


class Caller:
    """Send requests with a key of one tenant."""

    def __init__(self, port: int, tenant: Tenant) -> None:
        self._port, self._key = port, make_key(tenant)[1]

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        status, _, answer = send(self._port, "POST", f"{API}{path}", json.dumps(body or {}), headers=headers)
        return status, json.loads(answer)


def until(finish: threading.Event) -> Callable[[scripts.Exchange], None]:
    """Return a response that is sent when the event is set."""

    def respond(exchange: scripts.Exchange) -> None:
        finish.wait()
        scripts.status(200, webhook_allowed_origin="*")(exchange)

    return respond


def done(futures: list[Future[tuple[int, Any]]]) -> list[Future[tuple[int, Any]]]:
    return [future for future in futures if future.done()]


def test_hanging_calls_of_a_tenant_hold_no_thread_that_another_needs(
    port: int, receiver: Receiver, background: ThreadPoolExecutor
) -> None:
    hostile, neighbour, finish = make_tenant(), make_tenant(), threading.Event()
    slow = make_endpoint(hostile, url=receiver.script("/slow", until(finish))).public_id
    quick = make_endpoint(neighbour, url=receiver.script("/quick", scripts.status(200, webhook_allowed_origin="*")))
    attacker, caller = Caller(port, hostile), Caller(port, neighbour)
    asked = [background.submit(attacker.post, f"{slow}/verification/") for _ in range(4 * calls_per_host())]
    tested = [background.submit(attacker.post, f"{slow}/test/") for _ in range(4 * THREADS)]
    receiver.wait_for(calls_per_host() + 3, "/slow")
    wait_until(lambda: len(done(asked)) == 3 * calls_per_host(), "the refused calls")
    wait_until(lambda: len(done(tested)) == 4 * THREADS - 3, "the refused tests")

    assert send(port, "GET", "/healthz")[0] == 200
    assert caller.post(f"{quick.public_id}/verification/")[1]["verification"] == "verified"
    assert caller.post(f"{quick.public_id}/test/")[1]["delivered"] is True
    assert attacker.post("", {"url": receiver.url("/other")})[0] == 201
    assert len(done(asked)) == 3 * calls_per_host()
    assert len(done(tested)) == 4 * THREADS - 3

    assert {future.result()[1]["limit"] for future in done(asked)} == {"WAYPOST_CALLS_PER_TENANT"}
    assert {future.result()[1]["limit"] for future in done(tested)} == {"WAYPOST_TESTS_PER_TENANT"}
    finish.set()
    statuses = [future.result()[0] for future in asked]
    assert (statuses.count(200), statuses.count(429)) == (calls_per_host(), 3 * calls_per_host())
    statuses = [future.result()[0] for future in tested]
    assert (statuses.count(200), statuses.count(429)) == (3, 4 * THREADS - 3)


def test_names_of_a_tenant_that_never_resolve_hold_no_thread_that_another_needs(
    port: int, dns: DnsServer, background: ThreadPoolExecutor, settings: Any
) -> None:
    settings.WAYPOST_LOOKUPS_PER_TENANT = 2
    hostile, neighbour = make_tenant(), make_tenant()
    dns.default = Answer(hangs=True)
    dns.answers["good.example.com"] = Answer(("93.184.215.14",))
    attacker, caller = Caller(port, hostile), Caller(port, neighbour)
    bodies = [{"url": f"https://hangs{number}.example.com/"} for number in range(40)]
    created = [background.submit(attacker.post, "", body) for body in bodies]
    wait_until(lambda: len(done(created)) == 30, "the refused creations")

    assert send(port, "GET", "/healthz")[0] == 200
    assert caller.post("", {"url": "https://good.example.com/"})[0] == 201
    assert len(done(created)) == 30

    statuses = [future.result()[0] for future in created]
    assert (statuses.count(201), statuses.count(429)) == (10, 30)
    assert Endpoint.objects.filter(tenant=hostile).count() == 10
