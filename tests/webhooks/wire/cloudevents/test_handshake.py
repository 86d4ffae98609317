"""Consent by OPTIONS: what is asked, what counts as yes, what we answer."""

import pytest

from webhooks.wire.cloudevents.handshake import (
    HandshakeResult,
    read_callback,
    read_response,
    request_headers,
    response_headers,
)

ORIGIN = "events.example.com"


def test_asking_names_the_sender_and_nothing_else() -> None:
    assert request_headers(ORIGIN) == {"WebHook-Request-Origin": ORIGIN}


def test_asking_for_a_rate_and_a_later_answer() -> None:
    assert request_headers(ORIGIN, rate=120, callback="https://a.example/confirm?key=k") == {
        "WebHook-Request-Origin": ORIGIN,
        "WebHook-Request-Rate": "120",
        "WebHook-Request-Callback": "https://a.example/confirm?key=k",
    }


@pytest.mark.parametrize("origin", ["", "https://a.com", "a b", "a\r\nb", "*", "a..b", "\u00fc.com", "a" * 254])
def test_an_origin_that_is_no_dns_name_is_our_mistake(origin: str) -> None:
    with pytest.raises(ValueError, match="DNS name"):
        request_headers(origin)


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_that_is_not_positive_is_our_mistake(rate: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        request_headers(ORIGIN, rate=rate)


@pytest.mark.parametrize("callback", ["http://a.example/", "", "https://a.example/\r\nX: y"])
def test_a_callback_that_is_no_https_url_is_our_mistake(callback: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)callback"):
        request_headers(ORIGIN, callback=callback)


@pytest.mark.parametrize(
    ("headers", "requested_rate", "consent"),
    [
        ({"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "100"}, 120, HandshakeResult(True, 100)),
        ({"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}, 120, HandshakeResult(True, None)),
        ({"webhook-allowed-origin": "Events.EXAMPLE.com", "WEBHOOK-ALLOWED-RATE": " 7 "}, 9, HandshakeResult(True, 7)),
        ({"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "500"}, None, HandshakeResult(True, 500)),
        ({"WebHook-Allowed-Origin": ORIGIN}, None, HandshakeResult(True, None)),
    ],
)
def test_consent_is_read_from_the_headers(
    headers: dict[str, str], requested_rate: int | None, consent: HandshakeResult
) -> None:
    assert read_response(headers, origin=ORIGIN, requested_rate=requested_rate) == consent


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, "has no WebHook-Allowed-Origin"),
        ({"Allow": "POST, OPTIONS"}, "has no WebHook-Allowed-Origin"),
        ({"Access-Control-Allow-Origin": "*"}, "has no WebHook-Allowed-Origin"),
        ({"WebHook-Allowed-Rate": "100"}, "has no WebHook-Allowed-Origin"),
        ({"WebHook-Allowed-Origin": "", "WebHook-Allowed-Rate": "1"}, "neither"),
        ({"WebHook-Allowed-Origin": "other.example.com", "WebHook-Allowed-Rate": "1"}, "neither"),
        ({"WebHook-Allowed-Origin": f"{ORIGIN}, *", "WebHook-Allowed-Rate": "1"}, "neither"),
        ({"WebHook-Allowed-Origin": "*.example.com", "WebHook-Allowed-Rate": "1"}, "neither"),
        ({"WebHook-Allowed-Origin": ORIGIN}, "has no WebHook-Allowed-Rate"),
        *(
            ({"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": rate}, "positive integer")
            for rate in ("0", "-1", "1.5", "", "many", "1e3", "\u0661", "10/s", "9" * 30)
        ),
    ],
)
def test_everything_else_is_no_consent(headers: dict[str, str], problem: str) -> None:
    consent = read_response(headers, origin=ORIGIN, requested_rate=120)
    assert not consent.allowed
    assert consent.rate is None
    assert problem in consent.problem


def test_calling_back_is_consent_with_or_without_a_rate() -> None:
    assert read_callback({}) == HandshakeResult(True, None)
    assert read_callback({"WebHook-Allowed-Rate": "60"}) == HandshakeResult(True, 60)
    assert not read_callback({"WebHook-Allowed-Rate": "soon"}).allowed


@pytest.mark.parametrize(
    ("asked", "ours", "allowed"), [(120, 60, 60), (30, 60, 30), (120, None, 120), (None, 60, 60), (None, None, None)]
)
def test_what_we_answer_is_understood_as_consent(asked: int | None, ours: int | None, allowed: int | None) -> None:
    answered = response_headers(request_headers(ORIGIN, rate=asked), origins=[ORIGIN], rate=ours)
    assert answered["Allow"] == "POST"
    assert read_response(answered, origin=ORIGIN, requested_rate=asked) == HandshakeResult(True, allowed)


def test_anybody_may_be_expected() -> None:
    assert (
        response_headers({"webhook-request-origin": "a.example"}, origins="*")["WebHook-Allowed-Origin"] == "a.example"
    )


@pytest.mark.parametrize(
    "request_headers",
    [
        {},
        {"WebHook-Request-Origin": "other.example.com"},
        {"WebHook-Request-Origin": "not a name"},
        {"WebHook-Request-Origin": ORIGIN + "\r\nSet-Cookie: x"},
        {"WebHook-Request-Origin": ORIGIN, "WebHook-Request-Rate": "0"},
        {"WebHook-Request-Origin": ORIGIN, "WebHook-Request-Rate": "fast"},
    ],
)
def test_whoever_is_not_expected_gets_no_consent(request_headers: dict[str, str]) -> None:
    assert response_headers(request_headers, origins=[ORIGIN]) == {"Allow": "POST"}
