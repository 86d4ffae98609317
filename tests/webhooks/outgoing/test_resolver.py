"""Check the resolver against a DNS server on loopback that answers, fails, hangs and truncates."""

import os
import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.dns_server import SERVER_FAILURE, Answer, DnsServer, dns_server
from webhooks.kit.process.per_process import PerProcess
from webhooks.outgoing import resolver as module
from webhooks.outgoing.errors import TooManyLookups
from webhooks.outgoing.resolver import (
    MAX_TTL,
    MIN_TTL,
    LookupTimeout,
    NotResolved,
    Resolution,
    Resolver,
    max_lookups,
)

HANGS = Answer(hangs=True)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with dns_server() as server:
        yield server


@pytest.fixture
def resolver(dns: DnsServer) -> Iterator[Resolver]:
    made = Resolver([dns.address])
    yield made
    made.close()


def seconds_left(resolution: Resolution) -> float:
    return resolution.expires_at - time.monotonic()


def test_resolve_returns_addresses_of_both_families_with_their_ttl(dns: DnsServer, resolver: Resolver) -> None:
    dns.answers["both.test"] = Answer(("192.0.2.1", "192.0.2.2", "2001:db8::1"), ttl=60)
    found = resolver.resolve("both.test", "a").result()
    assert set(found.addresses) == {"192.0.2.1", "192.0.2.2", "2001:db8::1"}
    assert MIN_TTL < seconds_left(found) <= 60


@pytest.mark.parametrize(("ttl", "used"), [(0, MIN_TTL), (1, MIN_TTL), (86_400, MAX_TTL)])
def test_resolve_limits_the_ttl(dns: DnsServer, resolver: Resolver, ttl: int, used: float) -> None:
    dns.answers["ttl.test"] = Answer(("192.0.2.1",), ttl=ttl)
    assert seconds_left(resolver.resolve("ttl.test", "a").result()) == pytest.approx(used, abs=1)


def test_resolve_follows_aliases_with_the_shortest_ttl(dns: DnsServer, resolver: Resolver) -> None:
    dns.answers["alias.test"] = Answer(("192.0.2.1",), ttl=200, aliases=(("real.test", 30),))
    found = resolver.resolve("alias.test", "a").result()
    assert found.addresses == ("192.0.2.1",)
    assert seconds_left(found) <= 30


def test_resolve_repeats_a_truncated_answer_over_tcp(dns: DnsServer, resolver: Resolver) -> None:
    dns.answers["long.test"] = Answer(tuple(f"192.0.2.{n}" for n in range(1, 100)), truncated=True)
    assert len(resolver.resolve("long.test", "a").result().addresses) == 99
    assert dns.asked["tcp"] > 0


@pytest.mark.parametrize("literal", ["192.0.2.7", "2001:db8::7"])
def test_resolve_needs_no_lookup_for_a_literal_address(dns: DnsServer, resolver: Resolver, literal: str) -> None:
    assert resolver.resolve(literal, "a").result().addresses == (literal,)
    assert not dns.asked


def test_resolve_reads_the_hosts_file_and_knows_localhost(dns: DnsServer, resolver: Resolver) -> None:
    assert set(resolver.resolve("localhost", "a").result().addresses) <= {"127.0.0.1", "::1"}
    assert not dns.asked


@pytest.mark.parametrize(
    "host", ["missing.test", "empty.test", "broken.test", "a..b", "x" * 70 + ".test", "caf\udce9", ""]
)
def test_resolve_raises_not_resolved_for_a_name_without_address(dns: DnsServer, resolver: Resolver, host: str) -> None:
    dns.answers |= {"empty.test": Answer(), "broken.test": Answer(status=SERVER_FAILURE)}
    with pytest.raises(NotResolved):
        resolver.resolve(host, "a").result()


def test_resolve_raises_lookup_timeout_for_a_name_that_hangs(
    dns: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns.answers["hangs.test"] = HANGS
    with pytest.raises(LookupTimeout):
        resolver.resolve("hangs.test", "a").result()
    monkeypatch.setattr(module, "LOOKUP_SECONDS", 0.05)
    dns.answers["hangs-too.test"] = HANGS
    with pytest.raises(LookupTimeout):
        resolver.resolve("hangs-too.test", "a").result()


def test_resolve_looks_a_name_up_once_for_simultaneous_and_later_callers(dns: DnsServer, resolver: Resolver) -> None:
    dns.answers["one.test"] = Answer(("192.0.2.1",))
    together = [resolver.resolve("one.test", "a") for _ in range(50)]
    assert {future.result().addresses for future in together} == {("192.0.2.1",)}
    assert resolver.resolve("one.test", "a").done()
    assert dns.asked_for("one.test") == 1


def test_resolve_does_not_repeat_a_failed_lookup_at_once(dns: DnsServer, resolver: Resolver) -> None:
    dns.answers["broken.test"] = Answer(status=SERVER_FAILURE)
    with pytest.raises(NotResolved):
        resolver.resolve("broken.test", "a").result()
    asked = dns.asked_for("broken.test")
    again = resolver.resolve("broken.test", "a")
    assert again.done()
    assert isinstance(again.exception(), NotResolved)
    assert dns.asked_for("broken.test") == asked


def test_resolve_asks_again_after_a_result_has_expired(
    dns: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_TTL", 0.0)
    dns.answers["short.test"] = Answer(("192.0.2.1",), ttl=0)
    assert resolver.resolve("short.test", "a").result().addresses == ("192.0.2.1",)
    dns.answers["short.test"] = Answer(("192.0.2.2",), ttl=0)
    assert resolver.resolve("short.test", "a").result().addresses == ("192.0.2.2",)


def test_resolve_refuses_more_than_a_share_and_names_the_limit(dns: DnsServer, resolver: Resolver) -> None:
    names = [f"hangs-{n}.test" for n in range(max_lookups() + 1)]
    dns.answers |= dict.fromkeys(names, HANGS)
    futures = [resolver.resolve(name, "a") for name in names]
    with pytest.raises(TooManyLookups, match=f"{max_lookups()} host names") as caught:
        futures[-1].result()
    assert caught.value.limit == "WAYPOST_LOOKUPS_PER_TENANT"
    assert sum(1 for name in names if dns.asked_for(name)) <= settings.WAYPOST_LOOKUPS_PER_TENANT


def test_resolve_answers_one_share_while_names_of_another_hang(dns: DnsServer, resolver: Resolver) -> None:
    names = [f"hangs-{n}.test" for n in range(max_lookups())]
    dns.answers |= dict.fromkeys(names, HANGS)
    dns.answers["shared.test"] = Answer(("192.0.2.9",))
    hanging = [resolver.resolve(name, "hostile") for name in names]
    queued = resolver.resolve("shared.test", "hostile")
    assert resolver.resolve("shared.test", "neighbour").result().addresses == ("192.0.2.9",)
    assert not any(future.done() for future in hanging)
    assert isinstance(queued.exception(), TooManyLookups)


def test_queued_lookups_start_when_earlier_ones_have_ended(dns: DnsServer, resolver: Resolver) -> None:
    names = [f"name-{n}.test" for n in range(max_lookups())]
    dns.answers |= dict.fromkeys(names, Answer(("192.0.2.1",)))
    assert [resolver.resolve(name, "a") for name in names][-1].result().addresses == ("192.0.2.1",)


def test_resolve_continues_after_the_cache_of_c_ares_was_emptied(
    dns: DnsServer, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RELOAD_AFTER", 2)
    for number in range(10):
        dns.answers[f"name-{number}.test"] = Answer(("192.0.2.1",))
        assert resolver.resolve(f"name-{number}.test", "a").result().addresses == ("192.0.2.1",)


def test_a_forked_process_has_a_resolver_of_its_own(dns: DnsServer) -> None:
    dns.answers["forked.test"] = Answer(("192.0.2.1",))
    resolver = PerProcess(lambda: Resolver([dns.address]))
    assert resolver().resolve("forked.test", "a").result().addresses == ("192.0.2.1",)
    child = os.fork()
    if child == 0:
        found = resolver().resolve("forked.test", "b").result(timeout=120)
        os._exit(0 if found.addresses == ("192.0.2.1",) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert resolver().resolve("forked.test", "c").result().addresses == ("192.0.2.1",)
