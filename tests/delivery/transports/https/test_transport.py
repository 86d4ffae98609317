"""The engine of APIs over HTTPS: groups, verdicts, access tokens, timeouts, on a real server."""

import select
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from delivery.sql.claim import Claimed
from delivery.transports.https.tokens import tokens
from delivery.transports.https.transport import HttpsTransport, open_transport
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.transport import NotSent
from subscriptions.endpoints.batch import Batch
from subscriptions.endpoints.destinations import registry
from subscriptions.endpoints.destinations.kind import Connection
from subscriptions.routing.targets import DeliveryTarget
from tests.delivery.transports.sockets.scripted import TENANT, make_target
from tests.receiver import Receiver, hang, status
from tests.token_server import TokenServer
from tests.waiting import wait_until
from webhooks.wire.ids import new_id


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setitem(registry.FILES, "scripted_https", "tests.delivery.transports.https.scripted.Scripted")
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


@pytest.fixture
def transport(scripted: None) -> Iterator[HttpsTransport]:
    it = open_transport(time.time)
    yield it
    it.close()


def target_of(url: str, credentials: dict[str, str] | None = None, **changes: Any) -> DeliveryTarget:
    connection = Connection("ep_1", TENANT, {"url": url}, credentials or {})
    return make_target(kind="scripted_https", connection=connection, **changes)


def submit(transport: HttpsTransport, target: DeliveryTarget, *datas: Any) -> None:
    attempts = []
    for data in datas:
        body = orjson.dumps(data)
        claimed = Claimed(new_id(), target.endpoint_id, new_id(), 0, 0, datetime.now(UTC), body, rendered=True)
        prepared = transport.prepare(claimed, target, time.time())
        assert not isinstance(prepared, NotSent)
        attempts.append((InFlight(claimed, new_id(), (), new_id(), target.address, target.kind), prepared))
    transport.submit(attempts)


def outcomes(transport: HttpsTransport, count: int) -> list[Outcome]:
    """Drive the transport as a drain does until so many attempts have ended."""
    found: list[Outcome] = []

    def turn() -> bool:
        seconds = transport.seconds_to_timer()
        select.select([transport.fileno()], [], [], min(0.05 if seconds is None else seconds, 0.05))
        transport.advance()
        found.extend(outcome for _, outcome in transport.take())
        return len(found) >= count

    wait_until(turn, f"{count} attempts to end", every=0.0)
    return found


class TestGroups:
    def test_messages_of_an_endpoint_share_requests_up_to_the_limit(
        self, transport: HttpsTransport, receiver: Receiver
    ) -> None:
        submit(transport, target_of(receiver.url("/a")), *range(7))
        assert all(it.delivered for it in outcomes(transport, 7))
        assert sorted(len(orjson.loads(it.body)) for it in receiver.arrivals) == [2, 5]

    def test_endpoints_do_not_share_a_request(self, transport: HttpsTransport, receiver: Receiver) -> None:
        for path in ("/a", "/b"):
            submit(transport, target_of(receiver.url(path)), 1)
        outcomes(transport, 2)
        assert sorted(it.path for it in receiver.arrivals) == ["/a", "/b"]

    def test_batch_of_the_endpoint_waits_until_it_is_full(self, transport: HttpsTransport, receiver: Receiver) -> None:
        target = target_of(receiver.url("/a"), batch=Batch(3, 10_000, 60.0))
        submit(transport, target, 1, 2)
        transport.advance()
        submit(transport, target, 3)
        outcomes(transport, 3)
        assert [orjson.loads(it.body) for it in receiver.arrivals] == [[1, 2, 3]]

    def test_batch_of_the_endpoint_is_sent_after_its_window(
        self, transport: HttpsTransport, receiver: Receiver
    ) -> None:
        submit(transport, target_of(receiver.url("/a"), batch=Batch(100, 10_000, 0.05)), 1)
        assert 0.0 < (transport.seconds_to_timer() or 0.0) <= 0.05
        outcomes(transport, 1)

    def test_message_that_is_too_large_is_rejected_before_it_is_sent(
        self, transport: HttpsTransport, receiver: Receiver
    ) -> None:
        claimed = Claimed(new_id(), new_id(), new_id(), 0, 0, datetime.now(UTC), b"x" * 2_000, rendered=True)
        found = transport.prepare(claimed, target_of(receiver.url("/a")), time.time())
        assert found == NotSent(Failure.TOO_LARGE, rejected=True, detail="At most 1000 bytes.")


class TestVerdicts:
    def test_each_message_has_its_own_outcome(self, transport: HttpsTransport, receiver: Receiver) -> None:
        url = receiver.script("/a", status(200, b'["ok","no"]'))
        submit(transport, target_of(url), 1, 2)
        good, bad = outcomes(transport, 2)
        assert good.delivered
        assert (bad.failure, bad.rejected) == (Failure.REFUSED, True)

    def test_response_that_cannot_be_read_fails_all_messages(
        self, transport: HttpsTransport, receiver: Receiver
    ) -> None:
        submit(transport, target_of(receiver.script("/a", status(200, b"{"))), 1, 2)
        assert {it.failure for it in outcomes(transport, 2)} == {Failure.PROTOCOL}

    def test_request_that_cannot_be_composed_fails_its_messages_only(
        self, transport: HttpsTransport, receiver: Receiver
    ) -> None:
        submit(transport, target_of(receiver.url("/a")), "broken")
        submit(transport, target_of(receiver.url("/b")), 1)
        found = outcomes(transport, 2)
        assert sorted(it.failure or "" for it in found) == ["", Failure.INTERNAL]

    def test_hung_server_ends_all_messages_by_the_timeout(self, transport: HttpsTransport, receiver: Receiver) -> None:
        submit(transport, target_of(receiver.script("/a", hang), timeout_ms=200), 1, 2)
        assert {it.failure for it in outcomes(transport, 2)} == {Failure.TIMEOUT}

    def test_forbidden_address_is_not_connected_to(
        self, transport: HttpsTransport, receiver: Receiver, settings: Any
    ) -> None:
        settings.WAYPOST_ALLOW_NETWORKS = []
        submit(transport, target_of(receiver.url("/a")), 1)
        assert outcomes(transport, 1)[0].failure is Failure.FORBIDDEN
        assert not receiver.arrivals

    def test_method_of_a_request_does_not_stay_on_its_handle(
        self, transport: HttpsTransport, receiver: Receiver
    ) -> None:
        submit(transport, target_of(receiver.url("/a")), 1)
        outcomes(transport, 1)
        assert len(transport._http._kept) == 0


class TestTokens:
    @pytest.fixture
    def server(self, receiver: Receiver) -> TokenServer:
        return TokenServer(receiver)

    def credentials(self, server: TokenServer) -> dict[str, str]:
        return {name: text for name, text in server.credentials().items() if name != "type"}

    def sent_tokens(self, receiver: Receiver) -> list[str]:
        return [it.headers["authorization"] for it in receiver.at("/a")]

    def test_token_is_requested_once_and_kept(
        self, transport: HttpsTransport, receiver: Receiver, server: TokenServer
    ) -> None:
        target = target_of(receiver.url("/a"), self.credentials(server))
        for number in (1, 2):
            submit(transport, target, number)
            assert outcomes(transport, 1)[0].delivered
        assert self.sent_tokens(receiver) == ["Bearer token-1"] * 2
        assert len(server.forms) == 1

    def test_revoked_token_is_renewed_within_the_attempt(
        self, transport: HttpsTransport, receiver: Receiver, server: TokenServer
    ) -> None:
        url = receiver.script("/a", status(401), status(200))
        submit(transport, target_of(url, self.credentials(server)), 1)
        (outcome,) = outcomes(transport, 1)
        assert outcome.delivered
        assert outcome.repeats == ("unauthorized",)
        assert self.sent_tokens(receiver) == ["Bearer token-1", "Bearer token-2"]

    def test_second_401_is_the_outcome(
        self, transport: HttpsTransport, receiver: Receiver, server: TokenServer
    ) -> None:
        url = receiver.script("/a", status(401), status(401), status(200))
        submit(transport, target_of(url, self.credentials(server)), 1)
        (outcome,) = outcomes(transport, 1)
        assert (outcome.status, outcome.failure) == (401, Failure.STATUS)

    def test_without_a_token_nothing_is_sent(
        self, transport: HttpsTransport, receiver: Receiver, server: TokenServer
    ) -> None:
        server.respond_with(500)
        submit(transport, target_of(receiver.url("/a"), self.credentials(server)), 1, 2)
        assert {it.failure for it in outcomes(transport, 2)} == {Failure.CREDENTIALS}
        assert not receiver.at("/a")

    def test_token_is_kept_for_its_credentials_only(
        self, transport: HttpsTransport, receiver: Receiver, server: TokenServer
    ) -> None:
        target = target_of(receiver.url("/a"), self.credentials(server))
        submit(transport, target, 1)
        outcomes(transport, 1)
        client = transport._clients.find(target)
        assert client is not None
        assert client.token is not None
        assert tokens().find(target.endpoint_id, client.token) == "token-1"
        assert tokens().find(new_id(), client.token) is None
