"""Check both sides of the abuse protection handshake."""

import pytest

from webhooks.wire.cloudevents.handshake import (
    HandshakeResult,
    read_callback,
    read_response,
    request_headers,
    response_headers,
)

ORIGIN = "events.example.com"


def test_request_headers_contain_only_the_origin_by_default() -> None:
    assert request_headers(ORIGIN) == {"WebHook-Request-Origin": ORIGIN}


def test_request_headers_contain_rate_and_callback() -> None:
    assert request_headers(ORIGIN, rate=120, callback="https://a.example/confirm?key=k") == {
        "WebHook-Request-Origin": ORIGIN,
        "WebHook-Request-Rate": "120",
        "WebHook-Request-Callback": "https://a.example/confirm?key=k",
    }


@pytest.mark.parametrize("origin", ["", "https://a.com", "a b", "a\r\nb", "*", "a..b", "\u00fc.com", "a" * 254])
def test_request_headers_reject_an_origin_that_is_no_dns_name(origin: str) -> None:
    with pytest.raises(ValueError, match="DNS name"):
        request_headers(origin)


@pytest.mark.parametrize("rate", [0, -1])
def test_request_headers_reject_a_rate_that_is_not_positive(rate: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        request_headers(ORIGIN, rate=rate)


@pytest.mark.parametrize("callback", ["http://a.example/", "", "https://a.example/\r\nX: y"])
def test_request_headers_reject_a_callback_that_is_no_https_url(callback: str) -> None:
    with pytest.raises(ValueError, match=r"(?i)callback"):
        request_headers(ORIGIN, callback=callback)


@pytest.mark.parametrize(
    ("headers", "requested_rate", "result"),
    [
        ({"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "100"}, 120, HandshakeResult(True, 100)),
        ({"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"}, 120, HandshakeResult(True, None)),
        ({"webhook-allowed-origin": "Events.EXAMPLE.com", "WEBHOOK-ALLOWED-RATE": " 7 "}, 9, HandshakeResult(True, 7)),
        ({"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "500"}, None, HandshakeResult(True, 500)),
        ({"WebHook-Allowed-Origin": ORIGIN}, None, HandshakeResult(True, None)),
    ],
)
def test_read_response_allows_by_the_headers(
    headers: dict[str, str], requested_rate: int | None, result: HandshakeResult
) -> None:
    assert read_response(headers, origin=ORIGIN, requested_rate=requested_rate) == result


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
def test_read_response_does_not_allow_other_headers(headers: dict[str, str], problem: str) -> None:
    result = read_response(headers, origin=ORIGIN, requested_rate=120)
    assert not result.allowed
    assert result.rate is None
    assert problem in result.problem


def test_read_callback_allows_with_or_without_a_rate() -> None:
    assert read_callback({}) == HandshakeResult(True, None)
    assert read_callback({"WebHook-Allowed-Rate": "60"}) == HandshakeResult(True, 60)
    assert not read_callback({"WebHook-Allowed-Rate": "soon"}).allowed


@pytest.mark.parametrize(
    ("requested", "limit", "allowed"),
    [(120, 60, 60), (30, 60, 30), (120, None, 120), (None, 60, 60), (None, None, None)],
)
def test_response_headers_are_read_as_allowed(requested: int | None, limit: int | None, allowed: int | None) -> None:
    headers = response_headers(request_headers(ORIGIN, rate=requested), origins=[ORIGIN], rate=limit)
    assert headers["Allow"] == "POST"
    assert read_response(headers, origin=ORIGIN, requested_rate=requested) == HandshakeResult(True, allowed)


def test_response_headers_allow_any_origin_for_a_star() -> None:
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
def test_response_headers_do_not_allow_other_origins_or_malformed_requests(request_headers: dict[str, str]) -> None:
    assert response_headers(request_headers, origins=[ORIGIN]) == {"Allow": "POST"}
