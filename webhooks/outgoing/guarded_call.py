"""Make one outgoing HTTP call to a checked address, with a deadline and a limit on the response.

For single calls outside of the hot path: an OAuth token, the handshake of an endpoint, a key set. The constraints:
tenants choose the URLs, DNS may return other addresses at the next lookup, and the server may be slow or send endless
data on purpose. So the name is resolved once (`dns`), every address is checked, and the socket connects to a checked
address while TLS and the Host header keep the name (`guarded_connect`). The adapter of `requests` is used without its
session, because nothing that a session adds may happen here: redirects, cookies, netrc, proxies from the environment.
Given up: connections are not reused, and a call costs up to two short-lived threads.
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
from webhooks.wire.addresses.guard import check_resolved, forbidden
from webhooks.wire.addresses.networks import AllowedNetworks, compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse
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

TIMEOUT = 15.0  # seconds for the whole call: lookup, connect, TLS, request, response
MAX_RESPONSE = 64 * 1024  # bytes of a response body; tokens and key sets are far smaller


@dataclass(frozen=True, slots=True)
class CallResponse:
    """The response to a call. Redirects are not followed."""

    status: int
    headers: Mapping[str, str]
    """Names in any case; several of one name are joined by commas."""
    body: bytes
    """As sent, never decompressed, `max_response` bytes at most."""
    truncated: bool
    """The body was longer; the rest was not read."""


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
    """Make one call and return its response, whatever the status.

    `timeout` is in seconds and for the whole call. `allow_http` and `allow_networks` default to the operator's
    settings (WAYPOST_ALLOW_HTTP, WAYPOST_ALLOW_NETWORKS). `ca_file` replaces the public certificate authorities.
    Raises ForbiddenAddress if the address may not be called, ForbiddenHeader for invalid headers, CallFailed (see
    `guarded_connect` for its kinds) if no complete response came.
    """
    allow_http = settings.WAYPOST_ALLOW_HTTP if allow_http is None else allow_http
    allow_networks = settings.WAYPOST_ALLOW_NETWORKS if allow_networks is None else allow_networks
    target = parse(url, allow_http=allow_http)
    request = _prepare(method, target, headers or {}, body)
    networks = compile_networks(tuple(allow_networks))
    with Deadline(timeout) as deadline:
        addresses = _addresses(target, networks, resolve, deadline)
        adapter = FixedSocketAdapter(target, partial(connect_checked, target, addresses, networks, deadline))
        try:
            return _exchange(adapter, request, deadline, max_response, ca_file)
        finally:
            adapter.close()


def _prepare(method: str, target: ParsedUrl, headers: Mapping[str, str], body: bytes | None) -> PreparedRequest:
    """Build the request with the URL unchanged: `requests` would parse and normalize it."""
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
    """Resolve the host, the only lookup of a call, and check every address."""
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
    adapter: FixedSocketAdapter, request: PreparedRequest, deadline: Deadline, max_response: int, ca_file: str | None
) -> CallResponse:
    try:
        response = adapter.send(request, stream=True, timeout=deadline.left(), verify=ca_file or True)
        try:
            result = _read(response, max_response)
        finally:
            response.close()
    except (OSError, HTTPError) as error:  # the exceptions of requests are OSErrors
        if deadline.passed:
            raise DeadlineExceeded from error
        raise (TlsFailed if isinstance(error, SSLError) else InvalidResponse) from error
    if deadline.passed:  # a body without a length ends where the connection is cut
        raise DeadlineExceeded
    return result


def _read(response: Response, max_response: int) -> CallResponse:
    """Read up to the end or the limit. Only a read at the end detects a body that is too short."""
    body = bytearray()
    while len(body) <= max_response:
        piece: bytes = response.raw.read(max_response + 1 - len(body), decode_content=False)
        if not piece:
            break
        body += piece
    whole = len(body) <= max_response
    return CallResponse(response.status_code, response.headers, bytes(body[:max_response]), truncated=not whole)
