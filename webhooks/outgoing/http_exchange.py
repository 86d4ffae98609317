"""Send one request to checked addresses by aiohttp, and read its response, for `guarded_call`.

Nothing changes the target on the way: no redirects, no proxies, netrc or cookies, and the only names that are resolved
are those that were checked. The socket is made by `_GuardedConnector`, which checks each address again right before
the connect, so that no caller can omit the check.

Imported at the first call of a process, by name: aiohttp takes 14 MB and a fifth of a second, and most processes make
no calls.
"""

import socket
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.utils.datastructures import CaseInsensitiveMapping
from yarl import URL

from webhooks.outgoing.call_messages import CallResponse, GuardedRequest
from webhooks.outgoing.errors import CallFailed, ConnectFailed, InvalidResponse, TlsFailed
from webhooks.wire.addresses.guard import forbidden, is_allowed

CONNECT_SECONDS = 5.0  # for all addresses; a silent one delays the next by NEXT_ADDRESS_SECONDS
NEXT_ADDRESS_SECONDS = 0.25
MAX_HEADER = 16 * 1024  # bytes of one field of the response's header
MAX_HEADERS = 100  # fields of the response's header
BUFFER = 16 * 1024  # bytes of the response in memory that have not been read


async def exchange(request: GuardedRequest, addresses: list[str]) -> CallResponse:
    """Send the request to the first of the addresses that accepts a connection, and return the response.

    Raises ForbiddenAddress, ConnectFailed, TlsFailed, InvalidResponse. Has no time limit: cancel it.
    """
    connector = _GuardedConnector(request, addresses)
    try:
        async with _session(connector) as session:
            return await _send(session, request)
    except (aiohttp.ClientError, OSError) as error:  # its own timeout for connecting is an OSError, too
        if connector.is_forbidden:
            raise forbidden(request.target, "address") from None
        raise _failure(error) from error


class _GuardedConnector(aiohttp.TCPConnector):
    """Connect to the addresses of one request only, and only to those that may be called."""

    def __init__(self, request: GuardedRequest, addresses: list[str]) -> None:
        super().__init__(
            resolver=_FixedAddresses(addresses),
            use_dns_cache=False,
            ssl=request.tls,
            force_close=True,
            happy_eyeballs_delay=NEXT_ADDRESS_SECONDS,
            socket_factory=self._open_socket,
        )
        self._request = request
        self.is_forbidden = False

    def _open_socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, where = address
        if not is_allowed(self._request.target, where[0], self._request.networks):
            self.is_forbidden = True
        if self.is_forbidden:
            raise OSError
        return socket.socket(family, kind, protocol)


class _FixedAddresses(AbstractResolver):
    """Resolve any name to the given addresses."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:  # noqa: ARG002
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        auto_decompress=False,
        trust_env=False,
        skip_auto_headers=("Accept", "Content-Type"),
        read_bufsize=BUFFER,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
        max_headers=MAX_HEADERS,
    )


async def _send(session: aiohttp.ClientSession, request: GuardedRequest) -> CallResponse:
    url = URL(request.target.url, encoded=True)  # unchanged: not parsed and normalized a second time
    async with session.request(
        request.method, url, headers=request.headers, data=request.body, allow_redirects=False
    ) as response:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > request.max_response:
                break
        whole = len(body) <= request.max_response
        kept = bytes(body[: request.max_response])
        return CallResponse(request.target.url, response.status, _joined(response), kept, truncated=not whole)


def _joined(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    names = dict.fromkeys(name.lower() for name in response.headers)
    return CaseInsensitiveMapping({name: ", ".join(response.headers.getall(name)) for name in names})


def _failure(error: Exception) -> CallFailed:
    """Return the kind of failure of an error of aiohttp."""
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return TlsFailed()
    if isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError)):
        return ConnectFailed()
    return InvalidResponse()
