"""Test the ASGI application over real connections: the same responses from the native view and from Django."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from django.test import Client

from config.web import application, bodies
from config.web.application import WebApplication
from delivery.models import Event
from subscriptions.models import Scope, Tenant
from subscriptions.tenants import plans
from tests.config.web.server import exchange, send, serving
from tests.factories import make_event_type, make_key, make_plan, make_tenant
from tests.factories_receiver import make_source
from webhooks.kit.fair.shares import Shares
from webhooks.wire.cloudevents.http_modes import BATCH, STRUCTURED

pytestmark = pytest.mark.django_db(transaction=True)
EVENTS = "/api/v1/events/"
EVENT = {"specversion": "1.0", "id": "1", "source": "/a", "type": "order.paid", "data": {"n": 1}}
SERVER_HEADERS = {"date", "server", "connection", "waypost-request-id"}


@pytest.fixture
def port(settings: Any) -> Iterator[int]:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    with serving(WebApplication()) as port:
        yield port


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def post(port: int, key: str, body: bytes, content_type: str = STRUCTURED, **headers: str) -> Any:
    given = {"Authorization": f"Bearer {key}", "Content-Type": content_type, **headers}
    return send(port, "POST", EVENTS, body, headers=given)


def post_to_django(key: str, body: bytes, content_type: str = STRUCTURED, **headers: str) -> Any:
    given = {"authorization": f"Bearer {key}", **{name.lower(): value for name, value in headers.items()}}
    response = Client().post(EVENTS, body, content_type=content_type, headers=given)
    return response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content


REQUESTS = [
    ("plain", b'{"type": "a"}', "application/json", {}),
    ("without a type", b'{"data": 1}', "application/json", {}),
    ("not an object", b"[1]", "application/json", {}),
    ("not JSON", b"{", STRUCTURED, {}),
    ("not UTF-8", b'{"type": "\xff"}', "application/json", {}),
    ("a duplicate key", b'{"type": "a", "type": "b"}', "application/json", {}),
    ("unknown form", b"x", "text/plain", {}),
    ("unknown format", b"x", "application/cloudevents+xml", {}),
    ("binary", b"<a/>", "text/xml", {"ce-id": "9", "ce-source": "/a", "ce-type": "b", "ce-specversion": "1.0"}),
    ("binary without a type", b"x", "text/xml", {"ce-id": "9", "ce-source": "/a", "ce-specversion": "1.0"}),
    ("entries", b'{"Entries": [{"Source": "a", "DetailType": "b", "Detail": "[]"}]}', "application/json", {}),
    ("entries of AWS", b'{"Entries": [{"Source": "a", "Detail": "{}"}]}', "application/x-amz-json-1.1", {}),
    ("no entries", b'{"Entries": 7}', "application/json", {}),
    ("compressed", b"x", STRUCTURED, {"Content-Encoding": "gzip"}),
    ("long attribute", json.dumps({**EVENT, "id": "a" * 600}).encode(), STRUCTURED, {}),
    ("large", json.dumps({**EVENT, "data": "a" * 3000}).encode(), STRUCTURED, {}),
]


@pytest.mark.parametrize(
    ("body", "content_type", "headers"), [case[1:] for case in REQUESTS], ids=[it[0] for it in REQUESTS]
)
def test_native_view_responds_like_django(
    port: int, tenant: Tenant, settings: Any, body: bytes, content_type: str, headers: dict[str, str]
) -> None:
    settings.WAYPOST_MAX_EVENT_BYTES = 2048
    key = make_key(tenant)[1]
    assert_equal(post(port, key, body, content_type, **headers), post_to_django(key, body, content_type, **headers))


def assert_equal(native: Any, django: Any) -> None:
    """Compare status, headers and body, but for ids, which are new each time."""
    assert native[0] == django[0]
    assert {**native[1], "content-length": ""} | dict.fromkeys(SERVER_HEADERS) == {
        **django[1],
        "content-length": "",
    } | dict.fromkeys(SERVER_HEADERS)
    assert without_ids(native[2]) == without_ids(django[2])


def without_ids(body: bytes) -> Any:
    document = json.loads(body)
    return {**document, "id": "", "event_id": "", "duplicate": ""} if "routing" in document else document


def test_event_is_stored_once_and_a_repeat_is_a_duplicate_in_both(port: int, tenant: Tenant) -> None:
    key, body = make_key(tenant)[1], json.dumps(EVENT).encode()
    first, again = post(port, key, body), post_to_django(key, body)
    assert [it[0] for it in (first, again)] == [202, 202]
    assert json.loads(again[2]) == {**json.loads(first[2]), "duplicate": True}
    assert Event.objects.get().tenant == tenant
    assert_equal(again, post(port, key, body))
    other = json.dumps({**EVENT, "data": 2}).encode()
    assert_equal(post(port, key, other), post_to_django(key, other))


@pytest.mark.parametrize("authorization", ["", "Basic abc", "Bearer", "Bearer wp_wrong", f"Bearer wp_{'a' * 43}"])
def test_missing_or_invalid_key_gets_the_same_401(port: int, authorization: str) -> None:
    headers = {"Content-Type": STRUCTURED, **({"Authorization": authorization} if authorization else {})}
    native = send(port, "POST", EVENTS, b"{}", headers=headers)
    response = Client().post(EVENTS, b"{}", content_type=STRUCTURED, headers=headers)
    assert_equal(native, (401, {name.lower(): it for name, it in response.headers.items()}, response.content))


def test_key_without_the_scope_and_platform_key_without_a_tenant_get_the_same_errors(port: int, tenant: Tenant) -> None:
    body = json.dumps(EVENT).encode()
    for key, status in ((make_key(tenant, Scope.READ)[1], 403), (make_key()[1], 400)):
        native = post(port, key, body)
        assert native[0] == status
        assert_equal(native, post_to_django(key, body))


@pytest.mark.parametrize(
    ("is_platform", "header", "member", "status"),
    [
        (True, "acme", None, 202),
        (True, None, "acme", 202),
        (True, "acme", "acme", 202),
        (True, "acme", "other", 400),
        (True, "unknown", None, 404),
        (True, None, "unknown", 404),
        (True, None, 5, 400),
        (False, "acme", None, 202),
        (False, None, "acme", 202),
        (False, "other", None, 404),
        (False, None, "other", 404),
    ],
)
def test_named_tenant_gets_the_same_response(
    port: int, is_platform: bool, header: str | None, member: Any, status: int
) -> None:
    acme, _ = make_tenant(uid="acme"), make_tenant(uid="other")
    key = make_key(None if is_platform else acme, Scope.PUBLISH)[1]
    body = json.dumps({"type": "a", **({} if member is None else {"tenant": member})}).encode()
    headers = {} if header is None else {"Waypost-Tenant": header}
    native = post(port, key, body, "application/json", **headers)
    assert native[0] == status
    assert_equal(native, post_to_django(key, body, "application/json", **headers))


def test_headers_of_the_rate_wait_for_no_query_in_the_event_loop(
    port: int, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans._default_plan, "max_age", 0.0)  # the plan is too old as soon as it is there
    make_plan(is_default=True, publish_rate=1_000)
    status, headers, _ = post(port, make_key(tenant)[1], b'{"type": "a"}', "application/json")
    assert (status, "ratelimit" in headers) == (202, True)


def test_response_of_a_source_has_each_header_once(port: int) -> None:
    source = make_source(scheme="none", secret=None, response_status=200, response_body='{"ok": true}')
    with closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("POST", f"/in/{source.public_id}/", b"{}", {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b'{"ok": true}')
        names = [name.lower() for name, _ in response.getheaders()]
        assert sorted(names) == sorted(set(names))
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_limits_of_the_plan_are_the_same(port: int) -> None:
    body = json.dumps(EVENT).encode()
    for plan, status in ((make_plan(max_event_bytes=50), 413), (make_plan(events_per_month=0), 402)):
        key = make_key(make_tenant(plan=plan))[1]
        native = post(port, key, body)
        assert native[0] == status
        assert_equal(native, post_to_django(key, body))


def test_schema_violation_is_the_same(port: int, tenant: Tenant) -> None:
    make_event_type(tenant, name="order.paid", schema={"required": ["total"]}, schema_check="enforce")
    key, body = make_key(tenant)[1], json.dumps(EVENT).encode()
    native = post(port, key, body)
    assert native[0] == 400
    assert_equal(native, post_to_django(key, body))


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (EVENTS, [EVENT], {"Content-Type": BATCH}, 202),
        (EVENTS, [EVENT], {"Content-Type": BATCH.upper()}, 202),
        (EVENTS, EVENT, {"Content-Type": STRUCTURED, "Idempotency-Key": '"k"'}, 202),
        (EVENTS + "?tenant=tnt_unknown", EVENT, {"Content-Type": STRUCTURED}, 404),
        (EVENTS, {**EVENT, "data": "a" * 100_000}, {"Content-Type": STRUCTURED}, 202),
        (EVENTS, EVENT, {"Content-Type": STRUCTURED, "Host": "unknown.example"}, 400),
    ],
    ids=["batch", "batch in capitals", "idempotency key", "named tenant", "large", "unknown host"],
)
def test_unusual_requests_are_served_by_django(
    port: int, tenant: Tenant, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    given = {"Authorization": f"Bearer {make_key(tenant)[1]}", **headers}
    assert send(port, "POST", path, json.dumps(body).encode(), headers=given)[0] == status


def test_chunked_event_is_accepted(port: int, tenant: Tenant) -> None:
    given = {"Authorization": f"Bearer {make_key(tenant)[1]}", "Content-Type": STRUCTURED}
    pieces = iter([json.dumps(EVENT).encode()[:20], json.dumps(EVENT).encode()[20:]])
    assert send(port, "POST", EVENTS, pieces, headers=given, encode_chunked=True)[0] == 202


def test_plain_http_is_redirected_where_https_is_required(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT, settings.ALLOWED_HOSTS = True, ["127.0.0.1"]
    with serving(WebApplication()) as port:
        status, headers, _ = send(port, "POST", EVENTS, b"{}")
    assert (status, headers["location"]) == (301, f"https://127.0.0.1:{port}{EVENTS}")


def test_path_is_decoded_once_and_headers_are_joined(port: int) -> None:
    status, _, body = send(port, "GET", "/api/v1/a%2525b%C3%A9/")
    assert status == 404
    assert "/api/v1/a%25bé/" in json.loads(body)["detail"]


def test_body_above_the_limit_is_413_without_being_read(port: int, tenant: Tenant, settings: Any) -> None:
    settings.WAYPOST_MAX_REQUEST_BYTES = 70_000
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {make_key(tenant)[1]}\r\n"
    head += f"Content-Type: {BATCH}\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n"
    assert exchange(port, head.encode()).startswith(b"HTTP/1.1 413")


def test_slow_body_is_408_and_holds_no_thread(port: int, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_PAUSE", 0.2)
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {make_key(tenant)[1]}\r\n"
    head += f"Content-Type: {STRUCTURED}\r\nContent-Length: 100\r\nConnection: close\r\n\r\nabc"
    assert exchange(port, head.encode()).startswith(b"HTTP/1.1 408")


def test_client_that_holds_too_many_bytes_gets_503(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MEMORY", Shares("request bodies in memory", 1000))
    status, headers, body = send(port, "POST", "/api/v1/endpoints/", bytes(600))
    assert (status, headers["retry-after"]) == (503, str(application.RETRY_AFTER))
    assert "request bodies in memory" in json.loads(body)["detail"]
    assert bodies.MEMORY.free == 1000
