"""Each request has a line with its tenant, key, request and trace; secrets in paths are hidden; probes are left out."""

import json
import re
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from config.web import access_log
from config.web.access_log import ATOMIC, MAX_PATH, AccessLog, shown_path
from config.web.application import WebApplication
from tests.config.web.server import exchange, send, serving
from tests.factories import make_key, make_tenant
from webhooks.version import VERSION

SECRET_GROUPS = {"token", "key", "page_token", "signature", "secret", "code"}
NO_SECRETS = {"problems/<str:code>/"}  # codes of problems
JSON = {"Content-Type": "application/json"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Written:
    """Keep the pieces that a log writes."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def __call__(self, piece: bytes) -> None:
        self.pieces.append(piece)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in b"".join(self.pieces).splitlines()]


def lines_of(*requests: tuple[str, str, dict[str, str]], ratio: float = 1.0) -> list[Any]:
    """Send requests, and return the lines of the log."""
    written = Written()
    log = AccessLog(ratio, as_json=True, write=written)
    with serving(WebApplication(log), is_forced=False) as port:
        for method, path, headers in requests:
            send(port, method, path, b"{}" if method == "POST" else None, headers={**JSON, **headers})
    log.flush()  # now that the server has ended: a line is recorded after its response was sent
    return written.lines()


@pytest.mark.django_db(transaction=True)
def test_line_names_tenant_key_request_and_trace_natively_and_through_django() -> None:
    tenant = make_tenant()
    key, text = make_key(tenant)
    headers = {"Authorization": f"Bearer {text}", "traceparent": PARENT}
    paths = [("POST", "/api/v1/events/?x=secret"), ("POST", "/api/v1/events/"), ("GET", "/api/v1/endpoints/")]
    lines = lines_of(*((method, path, headers) for method, path in paths))
    assert len(lines) == 3
    for line, (method, path) in zip(lines, paths, strict=True):
        assert (line["event"], line["method"], line["path"]) == ("request", method, path.partition("?")[0])
        assert (line["tenant"], line["key"], line["trace_id"]) == (tenant.public_id, key.public_id, TRACE)
        assert line["request_id"].startswith("req_")
        assert line["seconds"] >= 0
        assert line["version"] == VERSION
    assert [line["status"] for line in lines] == [400, 400, 200]


@pytest.mark.django_db(transaction=True)
def test_platform_key_has_the_tenant_that_it_names() -> None:
    tenant = make_tenant()
    _, text = make_key(None)
    headers = {"Authorization": f"Bearer {text}", "Waypost-Tenant": tenant.public_id}
    [line] = lines_of(("GET", "/api/v1/endpoints/", headers))
    assert (line["status"], line["tenant"]) == (200, tenant.public_id)


@pytest.mark.parametrize(
    ("raw", "method", "path"),
    [
        (b"GET /inspect/secret?x=1 HTTP/1.1\r\n\r\n", "GET", "/inspect/[hidden]"),
        (b"GET /insp%65ct/secret HTTP/1.1\r\n\r\n", "GET", "/inspect/[hidden]"),
        (b"GET /a/" + b"b" * 9000 + b" HTTP/1.1\r\n\r\n", "GET", "/a/" + "b" * (MAX_PATH - 3)),
        (b"nonsense\r\n\r\n", "-", "-"),
    ],
    ids=["no host", "escaped", "long", "no HTTP"],
)
def test_refused_request_has_a_line_with_the_id_of_its_response(raw: bytes, method: str, path: str) -> None:
    written = Written()
    log = AccessLog(1.0, as_json=True, write=written)
    with serving(WebApplication(log), is_forced=False) as port:
        received = exchange(port, raw)
    log.flush()
    [line] = written.lines()
    assert (line["method"], line["path"], line["client"]) == (method, path, "127.0.0.1")
    assert received.startswith(b"HTTP/1.1 %d " % line["status"])
    assert f"waypost-request-id: {line['request_id']}".encode() in received
    assert f'"code":"{line["code"]}"'.encode() in received


@pytest.mark.django_db(transaction=True)
def test_probe_that_succeeds_has_no_line() -> None:
    assert lines_of(("GET", "/healthz", {})) == []


@pytest.mark.django_db(transaction=True)
def test_ratio_of_zero_switches_the_log_off() -> None:
    assert lines_of(("GET", "/api/v1/endpoints/", {}), ratio=0.0) == []


@pytest.mark.django_db(transaction=True)
def test_ratio_leaves_requests_out_but_not_those_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([0.4, 0.6])
    monkeypatch.setattr(access_log.random, "random", lambda: next(drawn))
    assert len(lines_of(*[("GET", "/api/v1/endpoints/", {})] * 2, ratio=0.5)) == 1


def test_lines_are_written_in_pieces_that_a_pipe_takes_at_once() -> None:
    written = Written()
    log = AccessLog(1.0, as_json=True, write=written)
    log._lines = [b'{"n": 1}\n' * 40] * 40
    log.flush()
    assert len(written.pieces) > 3
    assert all(len(piece) <= ATOMIC and piece.endswith(b"\n") for piece in written.pieces)
    log.flush()
    assert len(b"".join(written.pieces)) == 40 * 40 * 9


def test_log_of_text_has_the_same_fields_on_one_line() -> None:
    line = AccessLog._text("now", {"method": "GET", "path": "/a\nb", "status": 200})
    assert line == b"now [info     ] request [waypost.access] method=GET path=/a\\nb status=200\n"


def patterns(resolver: Any, before: str = "") -> list[str]:
    """Return all paths of the platform, with their groups."""
    found = []
    for it in resolver.url_patterns:
        path = before + str(it.pattern).lstrip("^")
        if isinstance(it, URLResolver):
            found += patterns(it, path)
        elif isinstance(it, URLPattern):
            found.append(path)
    return found


def test_every_part_of_a_path_that_is_a_secret_is_hidden() -> None:
    group = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
    with_secrets = []
    for path in patterns(get_resolver()):
        names = [one or other for one, other in group.findall(path)]
        if path.startswith("admin/") or path in NO_SECRETS or not SECRET_GROUPS & set(names):
            continue
        example = "/" + group.sub(lambda it: f"the-{it[1] or it[2]}", path).rstrip("$?")
        shown = shown_path(example)
        assert [name for name in names if name in SECRET_GROUPS and f"the-{name}" in shown] == [], path
        with_secrets.append(path)
    assert len(with_secrets) >= 5
