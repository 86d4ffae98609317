"""The guard as a whole: every vector, every spelling, one look-up, and an error that tells nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.wire.addresses.guard import (
    ForbiddenAddress,
    address_filter,
    check,
    check_resolved,
    compile_networks,
    is_allowed,
    parse,
)
from webhooks.wire.addresses.networks import NOT_PUBLIC_IPV4

PUBLIC = "93.184.215.14"
LOOPBACK = ("127.0.0.0/8", "::1/128")

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "addresses.json").read_text())
CASES = VECTORS["refuse"] + VECTORS["accept"]


def to(*answers: str) -> Callable[[str], list[str]]:
    return lambda host: list(answers)


def refused(url: str, *answers: str, allow_networks: tuple[str, ...] = ()) -> ForbiddenAddress:
    with pytest.raises(ForbiddenAddress) as caught:
        check(url, resolve=to(*answers), allow_http=True, allow_networks=allow_networks)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["url"])[:60])
def test_vectors(case: dict[str, Any]) -> None:
    answers = case.get("resolves_to", [PUBLIC])
    if case["accept"]:
        check(case["url"], resolve=to(*answers), allow_http=True)
    else:
        refused(case["url"], *answers)


def spellings(address: IPv4Address) -> list[str]:
    number = int(address)
    a, b, c, d = address.packed
    return [
        f"{a}.{b}.{c}.{d}",
        str(number),
        f"{number:#x}",
        f"{number:#X}",
        f"0{number:o}",
        f"{a:#x}.{b:#x}.{c:#x}.{d:#x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a:03}.{b:03}.{c:03}.{d:04}",
        f"{a}.{b}.{(c << 8) + d}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{c}.{d}.",
        f"{a}\u3002{b}\u3002{c}\u3002{d}",
        "".join(chr(ord(x) + 0xFEE0) for x in str(address)),
        "".join(chr(ord(x) + 0xFEE0) if x.isdigit() else x for x in str(address)),
        f"[::ffff:{address}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::]",
        f"%{ord(str(a)[0]):x}{str(address)[1:]}",
        f"example.com@{address}",
    ]


@given(
    st.sampled_from(NOT_PUBLIC_IPV4).flatmap(
        lambda network: st.integers(0, network.num_addresses - 1).map(lambda offset: network[offset])
    )
)
def test_no_address_inside_a_refused_network_passes_in_any_spelling(address: IPv4Address) -> None:
    for host in spellings(address):
        refused(f"http://{host}/", PUBLIC)
    assert refused("https://example.com/", str(address)).reason == "address"
    assert refused("https://example.com/", PUBLIC, str(address)).reason == "address"


@given(st.text(), st.lists(st.sampled_from([PUBLIC, "::1", "nonsense", ""]), max_size=2))
def test_no_text_raises_anything_but_forbidden_address(text: str, answers: list[str]) -> None:
    for url in (text, f"https://{text}/", f"https://example.com:{text}", f"https://example.com/{text}"):
        with suppress(ForbiddenAddress):
            check(url, resolve=to(*answers), allow_networks=LOOPBACK)


@pytest.mark.parametrize(
    "answers",
    [
        *(["10.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC], ["2606:4700::1", "::1"]),
        *([PUBLIC, "::ffff:10.0.0.1"], ["64:ff9b::a00:1"], ["0.0.0.0"], ["not an address"]),
    ],
)
def test_one_refused_answer_refuses_the_name(answers: list[str]) -> None:
    assert refused("https://example.com/", *answers).reason == "address"


def test_a_name_without_addresses_is_refused() -> None:
    assert refused("https://example.com/").reason == "unresolved"


def test_a_resolver_that_fails_is_a_name_without_addresses() -> None:
    def failing(host: str) -> list[str]:
        raise TimeoutError

    with pytest.raises(ForbiddenAddress) as caught:
        check("https://example.com/", resolve=failing)
    assert caught.value.reason == "unresolved"


def test_the_resolver_is_asked_once_and_for_the_name_in_ascii() -> None:
    asked: list[str] = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    check("https://B\u00fccher.example.com./", resolve=rebinding)
    assert asked == ["xn--bcher-kva.example.com"]


def test_a_name_that_answers_differently_the_second_time_is_refused_the_second_time() -> None:
    turns = iter([[PUBLIC], ["127.0.0.1"]])
    check("https://rebind.example.com/", resolve=lambda host: next(turns))
    with pytest.raises(ForbiddenAddress):
        check("https://rebind.example.com/", resolve=lambda host: next(turns))


@pytest.mark.parametrize("url", ["https://1.1.1.1/", "https://[2606:4700:4700::1111]/"])
def test_an_address_is_not_looked_up(url: str) -> None:
    def never(host: str) -> list[str]:
        raise AssertionError(host)

    check(url, resolve=never)


@pytest.mark.parametrize("url", ["https://localhost/", "https://example.com:6379/", "https://x.internal/"])
def test_a_target_that_can_only_be_internal_is_not_even_looked_up(url: str) -> None:
    def never(host: str) -> list[str]:
        raise AssertionError(host)

    with pytest.raises(ForbiddenAddress):
        check(url, resolve=never)


@pytest.mark.parametrize("port", [1024, 6379, 6667, 8000, 11211, 65535])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]"])
def test_any_high_port_of_an_allowed_network_may_be_called(host: str, port: int) -> None:
    check(f"http://{host}:{port}/", resolve=to(), allow_http=True, allow_networks=LOOPBACK)


@pytest.mark.parametrize("name", ["localhost", "foo.localhost", "backend", "api.internal", "example.com"])
def test_any_name_inside_an_allowed_network_may_be_called(name: str) -> None:
    url = f"http://{name}:6379/"
    check(url, resolve=to("127.0.0.1", "::1"), allow_http=True, allow_networks=LOOPBACK)


@pytest.mark.parametrize("answers", [[PUBLIC], ["127.0.0.1", PUBLIC], ["10.0.0.1"]])
def test_an_internal_name_that_leads_out_of_the_allowed_networks_is_refused(answers: list[str]) -> None:
    assert refused("http://localhost/", *answers, allow_networks=LOOPBACK).reason == "name"


def test_low_ports_are_refused_inside_allowed_networks_too() -> None:
    assert refused("http://127.0.0.1:22/", allow_networks=LOOPBACK).reason == "port"
    assert refused("http://127.0.0.1:0/", allow_networks=LOOPBACK).reason == "port"


def test_an_allowed_network_opens_nothing_else() -> None:
    refused("http://10.0.0.1/", allow_networks=LOOPBACK)
    refused("http://[::ffff:127.0.0.1]/", allow_networks=LOOPBACK)
    refused("http://2130706433/", allow_networks=LOOPBACK)
    refused("http://example.com/", "169.254.169.254", allow_networks=LOOPBACK)


@pytest.mark.parametrize("allow_networks", [(), LOOPBACK])
@pytest.mark.parametrize("url", ["https://example.com/", "https://a.internal/", "https://example.com:6379/"])
def test_the_text_does_not_tell_where_a_name_leads(url: str, allow_networks: tuple[str, ...]) -> None:
    outcomes = [
        refused(url, allow_networks=allow_networks),
        refused(url, "10.0.0.1", allow_networks=allow_networks),
        refused(url, "192.168.0.1", "169.254.169.254", allow_networks=allow_networks),
    ]
    assert len({str(outcome) for outcome in outcomes}) == 1


def test_a_list_that_is_no_list_of_networks_is_the_operators_error() -> None:
    with pytest.raises(ValueError, match="not a network") as caught:
        check("https://example.com/", resolve=to(PUBLIC), allow_networks=["loopback"])
    assert not isinstance(caught.value, ForbiddenAddress)


def test_every_connect_is_judged_by_its_own_address() -> None:
    ordinary, internal = parse("https://example.com/"), parse("https://localhost:8443/")
    nobody, own = compile_networks(()), compile_networks(LOOPBACK)
    assert is_allowed(ordinary, PUBLIC, nobody)
    assert not is_allowed(ordinary, "127.0.0.1", nobody)
    assert is_allowed(ordinary, "127.0.0.1", own)
    assert not is_allowed(internal, PUBLIC, own)
    assert is_allowed(internal, "127.0.0.1", own)
    assert [address_filter(internal, own)(ip) for ip in ("127.0.0.1", PUBLIC)] == [True, False]
    assert [address_filter(ordinary, nobody)(ip) for ip in ("127.0.0.1", PUBLIC)] == [False, True]


def test_screening_takes_any_iterable_once() -> None:
    check_resolved(parse("https://example.com/"), iter([PUBLIC]), compile_networks(()))
    with pytest.raises(ForbiddenAddress):
        check_resolved(parse("https://example.com/"), iter([]), compile_networks(()))


def test_importing_the_guard_loads_no_framework() -> None:
    code = "import sys, webhooks.wire.addresses.guard; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
