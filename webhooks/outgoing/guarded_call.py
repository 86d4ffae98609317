"""Make one outgoing HTTP call to a checked address, with a deadline and a limit on the response.

For single calls outside of the hot path: an OAuth token, the handshake of an endpoint, a key set. The constraints:
tenants choose the URLs, DNS may return other addresses at the next lookup, and the server may be slow or send endless
data on purpose. So the name is resolved once, every address is checked, and the socket connects to a checked address
while TLS and the Host header keep the name (`http_exchange`). A call runs in the event loop of the process, so that
none occupies a thread while it waits; each tenant has places of its own (`call_limits`). Given up: connections are not
reused.
"""

import asyncio
import ssl
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from webhooks.kit.process.per_process import PerProcess
from webhooks.outgoing import resolver
from webhooks.outgoing.call_limits import CallLimits
from webhooks.outgoing.call_messages import CallResponse, GuardedRequest
from webhooks.outgoing.errors import DeadlineExceeded, HostNotResolved
from webhooks.outgoing.event_loop import event_loop
from webhooks.outgoing.own_address import is_forbidden_own_address
from webhooks.outgoing.resolver import NotResolved, Resolution
from webhooks.version import USER_AGENT
from webhooks.wire.addresses.guard import check_resolved, forbidden
from webhooks.wire.addresses.networks import AllowedNetworks, compile_networks
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, ParsedUrl, parse
from webhooks.wire.custom_headers import check_syntax

TIMEOUT = 15.0  # seconds for the whole call: lookup, connect, TLS, request, response
MAX_RESPONSE = 64 * 1024  # bytes of a response body; tokens and key sets are far smaller

Resolve = Callable[[str, Hashable], "Future[Resolution]"]

EXCHANGE = "webhooks.outgoing.http_exchange.exchange"  # imported at the first call

_limits = PerProcess(CallLimits)


def call(method: str, url: str, *, share: Hashable, **options: Any) -> CallResponse:
    """Make one call as `start_call` does, and wait for it: for commands and workers, not for requests."""
    return start_call(method, url, share=share, **options).result()


def start_call(
    method: str,
    url: str,
    *,
    share: Hashable,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT,
    max_response: int = MAX_RESPONSE,
    allow_http: bool | None = None,
    allow_networks: Sequence[str] | None = None,
    ca_file: str | None = None,
    resolve: Resolve | None = None,
) -> "Future[CallResponse]":
    """Start one call on behalf of a tenant (`share`); its response is the result of the future, whatever the status.

    `timeout` is in seconds and for the whole call. `allow_http` and `allow_networks` default to the operator's
    settings (WAYPOST_ALLOW_HTTP, WAYPOST_ALLOW_NETWORKS). `ca_file` replaces the authorities of the system.
    The future raises ForbiddenAddress if the address may not be called, ForbiddenHeader for invalid headers,
    TooManyCalls and TooManyLookups beyond the tenant's limits, CallFailed (see `errors` for its kinds) if no complete
    response came.
    """
    allow_http = settings.WAYPOST_ALLOW_HTTP if allow_http is None else allow_http
    networks = settings.WAYPOST_ALLOW_NETWORKS if allow_networks is None else allow_networks
    try:
        target = parse(url, allow_http=allow_http)
        if is_forbidden_own_address(target):
            raise ForbiddenAddress("address")
        request = GuardedRequest(
            method=method,
            target=target,
            headers=_checked_headers(target, headers or {}),
            body=body,
            networks=compile_networks(tuple(networks)),
            max_response=max_response,
            tls=_tls_context(ca_file),
        )
    except Exception as error:
        refused: Future[CallResponse] = Future()
        refused.set_exception(error)
        return refused
    import_string(EXCHANGE)  # not in the event loop, which the import would block
    work = _run(request, share, timeout, resolve or resolver.resolve)
    return asyncio.run_coroutine_threadsafe(work, event_loop())


def _checked_headers(target: ParsedUrl, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return all headers of the request. Raises ForbiddenHeader."""
    ours = {"Host": target.authority, "Connection": "close", "Accept-Encoding": "identity"}
    replaced = {name.lower() for name in ours}
    fields = {"User-Agent": USER_AGENT} if "user-agent" not in map(str.lower, headers) else {}
    fields |= {name: value for name, value in headers.items() if name.lower() not in replaced} | ours
    for name, value in fields.items():
        check_syntax(name, value)
    return fields


@lru_cache(maxsize=8)
def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return the context that verifies certificates and names, by the authorities of the system or of a file."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _run(request: GuardedRequest, share: Hashable, seconds: float, resolve: Resolve) -> CallResponse:
    """Resolve, check and exchange, within the time and the limits of the tenant."""
    target = request.target
    with _limits().place(share, target.authority):
        try:
            async with asyncio.timeout(seconds):
                addresses = await _addresses(target, request.networks, share, resolve)
                response: CallResponse = await import_string(EXCHANGE)(request, addresses)
                return response
        except TimeoutError:
            raise DeadlineExceeded from None


async def _addresses(target: ParsedUrl, networks: AllowedNetworks, share: Hashable, resolve: Resolve) -> list[str]:
    """Resolve the host, the only lookup of a call, and check every address."""
    if target.reserved and not networks:
        raise forbidden(target, "address")
    addresses = [target.host]
    if not target.is_literal:
        try:
            addresses = list((await asyncio.wrap_future(resolve(target.host, share))).addresses)
        except NotResolved as error:
            raise HostNotResolved(f"The name {target.host} has no address.") from error
    check_resolved(target, addresses, networks)
    return addresses
