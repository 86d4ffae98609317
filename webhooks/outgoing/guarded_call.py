"""One outgoing HTTP call, to a checked address or not at all; it ends in time, and its answer fits.

For single calls off the hot path: an OAuth token, the handshake of an endpoint, a key set. What we were up
against: tenants choose the URLs, DNS may answer differently from one look-up to the next, and the other side
may be slow or endless on purpose. So the name is resolved once (`lookup`), every answer is checked, and the
socket goes to a checked address while TLS and the Host header keep the name (`dial`). We use the adapter of
`requests` without its session: everything a session adds (redirects, cookies, netrc, proxies from the
environment) must not happen here. What we gave up: connections are not reused, and a call costs up to two
short-lived threads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from requests import PreparedRequest, Response
from requests.exceptions import SSLError
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

from webhooks.outgoing.dns import resolve_within, system_resolve
from webhooks.outgoing.guarded_connect import (
    CallFailed,
    ConnectFailed,
    Deadline,
    DeadlineExceeded,
    FixedSocketAdapter,
    HostNotResolved,
    InvalidResponse,
    TlsFailed,
    connect_checked,
)
from webhooks.wire.addresses.guard import (
    AllowedNetworks,
    ForbiddenAddress,
    ParsedUrl,
    check_resolved,
    compile_networks,
    forbidden,
    parse,
)
from webhooks.wire.custom_headers import check_syntax

__all__ = [
    "CallFailed",
    "CallResponse",
    "ConnectFailed",
    "DeadlineExceeded",
    "ForbiddenAddress",
    "HostNotResolved",
    "InvalidResponse",
    "TlsFailed",
    "call",
    "resolve_within",
    "system_resolve",
]

TIMEOUT = 15.0  # seconds for everything: look-up, connect, TLS, request, answer
MAX_RESPONSE = 64 * 1024  # bytes of a body: tokens and key sets are far smaller


@dataclass(frozen=True, slots=True)
class CallResponse:
    """What came back. A redirect is an answer like any other."""

    status: int
    headers: Mapping[str, str]
    """Names in any case; several of one name are joined by commas."""
    body: bytes
    """As sent, never decompressed, `max_response` bytes at most."""
    truncated: bool
    """There was more; it was not read."""


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT,
    max_response: int = MAX_RESPONSE,
    allow_http: bool | None = None,
    allow_networks: Sequence[str] | None = None,
    ca_file: str | None = None,
    resolve: Callable[[str], list[str]] = system_resolve,
) -> CallResponse:
    """Make this one call and return its answer, whatever its status.

    `timeout` is in seconds and for the whole call. `allow_http` and `allow_networks` are the operator's
    (WAYPOST_ALLOW_HTTP, WAYPOST_ALLOW_NETWORKS) unless given. `ca_file` replaces the public certificate
    authorities. Raises ForbiddenAddress if the address may not be called, ForbiddenHeader for headers that
    are none, CallFailed (see `dial` for its kinds) if no whole answer came.
    """
    allow_http = settings.WAYPOST_ALLOW_HTTP if allow_http is None else allow_http
    allow_networks = settings.WAYPOST_ALLOW_NETWORKS if allow_networks is None else allow_networks
    target = parse(url, allow_http=allow_http)
    request = _prepare(method, target, headers or {}, body)
    networks = compile_networks(tuple(allow_networks))
    with Deadline(timeout) as deadline:
        addresses = _addresses(target, networks, resolve, deadline)
        line = partial(connect_checked, target, addresses, networks, deadline)
        adapter = FixedSocketAdapter(target, line)
        try:
            return _exchange(adapter, request, deadline, max_response, ca_file)
        finally:
            adapter.close()


def _prepare(method: str, target: ParsedUrl, headers: Mapping[str, str], body: bytes | None) -> PreparedRequest:
    """The request with our URL as it stands: `requests` would parse and respell it."""
    fields = CaseInsensitiveDict({"User-Agent": "Waypost"})
    fields.update(headers)
    fields.update({"Host": target.authority, "Connection": "close", "Accept-Encoding": "identity"})
    for name, value in fields.items():
        check_syntax(name, value)
    request = PreparedRequest()
    request.prepare_method(method)
    request.url = target.url
    request.prepare_headers(fields)
    request.prepare_body(data=body, files=None)
    return request


def _addresses(
    target: ParsedUrl, networks: AllowedNetworks, resolve: Callable[[str], list[str]], deadline: Deadline
) -> list[str]:
    """Every address the target leads to, all of them checked. The only look-up of a call."""
    if target.reserved and not networks:
        raise forbidden(target, "address")
    addresses = [target.host]
    if not target.is_literal:
        try:
            addresses = resolve_within(target.host, seconds=deadline.left(), resolve=resolve)
        except OSError as error:
            raise (DeadlineExceeded if deadline.passed else HostNotResolved) from error
    check_resolved(target, addresses, networks)
    return addresses


def _exchange(
    adapter: FixedSocketAdapter,
    request: PreparedRequest,
    deadline: Deadline,
    max_response: int,
    ca_file: str | None,
) -> CallResponse:
    try:
        response = adapter.send(request, stream=True, timeout=deadline.left(), verify=ca_file or True)
        try:
            answer = _read(response, max_response)
        finally:
            response.close()
    except (OSError, HTTPError) as error:  # requests' errors are OSErrors
        if deadline.passed:
            raise DeadlineExceeded from error
        raise (TlsFailed if isinstance(error, SSLError) else InvalidResponse) from error
    if deadline.passed:  # a body without a length ends where the connection is cut
        raise DeadlineExceeded
    return answer


def _read(response: Response, max_response: int) -> CallResponse:
    """Read until the end or the limit. Only a read that finds the end tells whether it came too early."""
    body = bytearray()
    while len(body) <= max_response:
        piece: bytes = response.raw.read(max_response + 1 - len(body), decode_content=False)
        if not piece:
            break
        body += piece
    whole = len(body) <= max_response
    return CallResponse(response.status_code, response.headers, bytes(body[:max_response]), truncated=not whole)
