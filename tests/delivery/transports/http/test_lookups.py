"""The sender with host names, at a DNS server on loopback that answers, fails and hangs."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from delivery.transports.http import lookups
from delivery.transports.http.request import Request, ResponseTrace
from delivery.transports.http.sender import HttpSender
from delivery.transports.outcome import Failure
from tests.delivery.transports.http.sending import make_request, send
from tests.dns_server import Answer, DnsServer, dns_server
from tests.receiver import Receiver
from webhooks.outgoing import resolver as resolver_module
from webhooks.outgoing.resolver import Resolver

HANGS = Answer(hangs=True)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server() as server:
        yield server


@pytest.fixture(autouse=True)
def resolver(dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with closing(Resolver([dns.address])) as made:
        monkeypatch.setattr(lookups, "resolve", made.resolve)
        yield


def request_to(host: str, receiver: Receiver, **changes: Any) -> Request:
    return make_request(receiver.url(host=host), share="tenant", **changes)


def test_name_is_connected_to_at_its_addresses(dns: DnsServer, sender: HttpSender, receiver: Receiver) -> None:
    dns.answers["good.test"] = Answer(("127.0.0.1",))
    trace = ResponseTrace()
    (outcome,) = send(sender, request_to("good.test", receiver, trace=trace))
    assert outcome.delivered
    assert receiver.arrivals[0].headers["host"] == f"good.test:{receiver.port}"
    assert trace.timing["total_ms"] <= outcome.duration_ms + 1


def test_name_is_looked_up_once_and_its_connection_is_reused(
    dns: DnsServer, sender: HttpSender, receiver: Receiver
) -> None:
    dns.answers["good.test"] = Answer(("127.0.0.1",))
    for _ in range(3):
        send(sender, request_to("good.test", receiver))
    assert len({it.connection for it in receiver.arrivals}) == 1
    assert dns.asked_for("good.test") == 1


def test_address_that_may_not_be_called_is_forbidden(dns: DnsServer, sender: HttpSender, receiver: Receiver) -> None:
    dns.answers["good.test"] = Answer(("127.0.0.1",))
    (outcome,) = send(sender, request_to("good.test", receiver, admits=lambda ip: False))
    assert outcome.failure is Failure.FORBIDDEN
    assert not receiver.arrivals


def test_handle_that_was_used_for_a_name_does_not_bring_back_its_old_address(
    dns: DnsServer, sender: HttpSender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transfer to a literal address uses the same handle in between."""
    monkeypatch.setattr(resolver_module, "MIN_TTL", 0.0)
    dns.answers["moves.test"] = Answer(("127.0.0.2",), ttl=0)
    connected: list[str] = []

    def record(ip: str) -> bool:
        connected.append(ip)
        return True

    send(sender, request_to("moves.test", receiver, admits=record))
    dns.answers["moves.test"] = Answer(("127.0.0.1",), ttl=0)
    send(sender, make_request(receiver.url(), admits=record))
    (second,) = send(sender, request_to("moves.test", receiver, admits=record))
    assert connected[0] == "127.0.0.2"
    assert set(connected[1:]) == {"127.0.0.1"}
    assert second.delivered


def test_name_without_address_is_a_dns_failure(dns: DnsServer, sender: HttpSender, receiver: Receiver) -> None:
    dns.answers["empty.test"] = Answer()
    outcomes = send(sender, request_to("empty.test", receiver), request_to("unknown.test", receiver))
    assert [(it.status, it.failure, it.not_attempted) for it in outcomes] == [(None, Failure.DNS, False)] * 2


def test_lookup_counts_as_part_of_the_timeout(dns: DnsServer, sender: HttpSender, receiver: Receiver) -> None:
    dns.answers["hangs.test"] = HANGS
    (outcome,) = send(sender, request_to("hangs.test", receiver, timeout_ms=1_100))
    assert (outcome.failure, outcome.overloaded) == (Failure.TIMEOUT, True)
    assert outcome.duration_ms >= 1_100


def test_names_that_hang_delay_no_other_name(dns: DnsServer, sender: HttpSender, receiver: Receiver) -> None:
    """libcurl by itself resolves 20 names at once."""
    dns.answers["good.test"] = Answer(("127.0.0.1",))
    hanging = [f"hangs{number}.test" for number in range(60)]
    dns.answers |= dict.fromkeys(hanging, HANGS)
    requests = [request_to(host, receiver, timeout_ms=3_000) for host in hanging]
    good = make_request(receiver.url(host="good.test"), share="other", timeout_ms=60_000)
    outcomes = send(sender, *requests, good)
    assert outcomes[-1].delivered
    assert outcomes[-1].duration_ms < min(it.duration_ms for it in outcomes[:-1])
    assert {it.failure for it in outcomes[:-1]} == {Failure.TIMEOUT}


def test_more_names_than_a_share_allows_are_not_attempted(
    dns: DnsServer, sender: HttpSender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WAYPOST_LOOKUPS_PER_TENANT = 1
    monkeypatch.setattr(resolver_module, "QUEUED_PER_PLACE", 1)
    hanging = [f"hangs{number}.test" for number in range(4)]
    dns.answers |= dict.fromkeys(hanging, HANGS)
    outcomes = send(sender, *(request_to(host, receiver, timeout_ms=1_100) for host in hanging))
    assert [it.not_attempted for it in outcomes] == [False, False, True, True]
