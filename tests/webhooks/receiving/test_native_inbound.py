"""Test what only the coroutine of our web server does: many requests in one event loop, none of which blocks it."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import InMemoryStorage
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import make_tenant
from tests.factories_receiver import make_source, signed
from tests.webhooks.receiving import shells
from tests.webhooks.receiving.shells import Shell
from webhooks.kit.bodies.claim_check import FLUSH_BYTES, INLINE_MAX
from webhooks.kit.caches import timed_cache
from webhooks.kit.fair.threads import FairThreads
from webhooks.kit.native_request import NativeRequest, NativeResponse
from webhooks.models import Receipt, Rejection, Source
from webhooks.receiving import native_inbound
from webhooks.receiving.native_inbound import receive_native
from webhooks.sources.snapshot import clear_snapshots, find_source
from webhooks.wire.ids import new_id, public

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules", "shell")]
native = pytest.mark.parametrize("shell", ["native"], indirect=True)

LARGE = b"x" * (2 * FLUSH_BYTES + 1)


class Body:
    """A body that sends its chunks, and then waits until the test goes on."""

    ends_reliably = True

    def __init__(self, *chunks: bytes, length: int | None = None, go_on: asyncio.Event | None = None) -> None:
        self.length = sum(map(len, chunks)) if length is None else length
        self._chunks, self._go_on = chunks, go_on

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if self._go_on is not None:
            await self._go_on.wait()

    async def read(self, limit: int) -> bytes:
        return b"".join(self._chunks)[: limit + 1]


def request(source: Source | str, body: Any, signature_of: bytes = b"", address: str = "192.0.2.1") -> NativeRequest:
    name = source if isinstance(source, str) else source.public_id
    headers = signed(signature_of, message_id=public("msg", new_id()))
    return NativeRequest("POST", "http", "testserver", f"/in/{name}/", "", headers, address, False, address, body)


def message(source: Source | str, body: bytes, address: str = "192.0.2.1") -> NativeRequest:
    return request(source, Body(body), body, address)


async def respond_to_all(requests: list[NativeRequest]) -> Counter[int]:
    return Counter(response.status for response in await asyncio.gather(*map(receive_native, requests)))


@native
def test_requests_for_a_source_that_is_not_cached_share_one_query(shell: Shell) -> None:
    source = make_source()
    clear_snapshots()
    with CaptureQueriesContext(connection) as queries:
        assert shell.run(respond_to_all([message(source, b"{}") for _ in range(50)])) == {202: 50}
    assert sum('FROM "webhooks_source"' in query["sql"] for query in queries) == 1


@native
def test_unknown_id_is_looked_up_once_a_second(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_cache, "monotonic", lambda: 1000.0)
    unknown = public("src", new_id())
    with CaptureQueriesContext(connection) as queries:
        for _ in range(5):
            assert shell.run(respond_to_all([message(unknown, b"{}")] * 5)) == {404: 5}
    assert sum('FROM "webhooks_source"' in query["sql"] for query in queries) == 1


@native
def test_client_that_guesses_ids_is_throttled_and_delays_no_other(shell: Shell) -> None:
    known, other = make_source(), make_source()
    find_source(known.public_id)
    guesses = [message(public("src", new_id()), b"{}", "198.51.100.1") for _ in range(1000)]
    others = [message(known, b"{}"), message(other, b"{}")]

    async def flood() -> tuple[Counter[int], Counter[int]]:
        flooding = asyncio.gather(respond_to_all(guesses))
        await asyncio.sleep(0)
        return await respond_to_all(others), (await flooding)[0]

    served, guessed = shell.run(flood())
    assert served == {202: 2}
    assert guessed[503] > 400
    assert guessed[404] + guessed[503] == 1000


@native
def test_bodies_that_stop_in_the_middle_delay_no_other_and_leave_nothing(shell: Shell, claims: Path) -> None:
    attacked = make_source(max_bytes=10**9)
    others = [make_source() for _ in range(3)]

    async def attack() -> Counter[int]:
        go_on = asyncio.Event()
        slow = [
            asyncio.create_task(
                receive_native(request(attacked, Body(LARGE, length=10**8, go_on=go_on), LARGE, address))
            )
            for address in ("198.51.100.1", "198.51.100.2")
            for _ in range(100)
        ]
        await asyncio.sleep(0)
        served = await respond_to_all([message(one, body) for one in (attacked, *others) for body in (b"{}", LARGE)])
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return served

    assert shell.run(attack()) == {202: 8}
    stored = {receipt.body_key.rpartition("/")[2] for receipt in Receipt.objects.exclude(body_key="")}
    assert {path.name for path in claims.rglob("*") if path.is_file()} == stored
    assert len(stored) == 4


class HangingStorage(InMemoryStorage):
    """Hang with what begins with an h, until the test goes on."""

    go_on = threading.Event()

    def _save(self, name: str, content: Any) -> str:
        if content.read(1) == b"h":
            self.go_on.wait()
        content.seek(0)
        return super()._save(name, content)


@native
def test_storage_that_hangs_with_bodies_of_one_tenant_delays_no_other(
    shell: Shell, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = FairThreads(8, "storage")
    monkeypatch.setattr(native_inbound, "storage_threads", lambda: threads)
    settings.STORAGES = {**settings.STORAGES, "claims": {"BACKEND": f"{__name__}.HangingStorage"}}
    HangingStorage.go_on.clear()
    attacker, other = make_source(tenant_id=make_tenant().pk), make_source(tenant_id=make_tenant().pk)

    async def hang() -> tuple[Counter[int], Counter[int]]:
        hanging = asyncio.gather(respond_to_all([message(attacker, b"h" + LARGE) for _ in range(30)]))
        await asyncio.sleep(0)
        served = await respond_to_all([message(other, LARGE), message(other, b"{}"), message(attacker, b"{}")])
        HangingStorage.go_on.set()
        return served, (await hanging)[0]

    served, hung = shell.run(hang())
    assert served == {202: 3}
    assert hung == {202: 30}


@native
@pytest.mark.parametrize(
    ("is_proxied", "subject", "status"), [(True, "CN=a", 202), (True, "CN=b", 401), (False, "CN=a", 401)]
)
def test_client_certificate_is_accepted_only_of_a_proxied_request(
    shell: Shell, is_proxied: bool, subject: str, status: int
) -> None:
    source = make_source(scheme="mtls", secret="CN=a", options={"form": "subject", "header": "X-Subject"})
    given = replace(message(source, b"{}"), headers={"x-subject": subject}, is_proxied=is_proxied)
    assert send(lambda: receive_native(given)).status == status


@native
def test_flood_of_bad_signatures_writes_a_sample_in_few_statements(shell: Shell) -> None:
    sources = [make_source() for _ in range(20)]
    for source in sources:
        find_source(source.public_id)
    forged = [request(source, Body(b"{}"), b"other") for source in sources for _ in range(30)]
    with CaptureQueriesContext(connection) as queries:
        assert shell.run(respond_to_all(forged)) == {401: 600}
    assert Rejection.objects.count() == 200
    inserts = sum('INTO "webhooks_rejection"' in query["sql"] for query in queries)
    assert inserts < 100


@native
def test_body_is_refused_before_more_than_max_bytes_of_it_are_on_disk(shell: Shell, claims: Path) -> None:
    source = make_source(max_bytes=INLINE_MAX)
    chunked = Body(b"x" * INLINE_MAX, b"x", LARGE)
    chunked.length = None
    assert shell.run(respond_to_all([request(source, chunked, b"x")])) == {413: 1}
    assert not [path for path in claims.rglob("*") if path.is_file()]


def send(call: Callable[[], Awaitable[NativeResponse]]) -> NativeResponse:
    response: NativeResponse = shells.current.run(call())
    return response


@native
@pytest.mark.parametrize(("path", "status"), [("/in/{}", 202), ("/in/{}/", 202), ("/in/{}//", 404), ("/in/x/{}", 404)])
def test_path_is_the_id_with_at_most_one_slash(shell: Shell, path: str, status: int) -> None:
    name = make_source().public_id
    given = replace(message(name, b"{}"), path=path.format(name))
    assert send(lambda: receive_native(given)).status == status
