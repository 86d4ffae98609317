"""Call HTTP APIs of other systems through the guard, with SourceUnavailable for what prevents a response."""

from collections.abc import Mapping
from concurrent.futures import Future

from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import (
    CallFailed,
    ConnectFailed,
    DeadlineExceeded,
    InvalidResponse,
    LimitReached,
    TlsFailed,
)
from webhooks.outgoing.guarded_call import start_call
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.wire.addresses.parsed_url import ForbiddenAddress
from webhooks.wire.custom_headers import ForbiddenHeader

_FAILURES: Mapping[type[CallFailed], str] = {
    ConnectFailed: "No connection can be made",
    TlsFailed: "No trusted TLS connection can be made; its certificate is invalid, or is for another name",
    InvalidResponse: "The connection ended early, or the response was not HTTP",
    DeadlineExceeded: "There was no complete response in time",
}


class Busy(SourceUnavailable):
    """Too many calls of the tenant are in progress, or the other system asks to slow down; nothing is wrong."""


class NoResponse(SourceUnavailable):
    """There was no complete response in time."""


class TooLarge(SourceUnavailable):
    """The response is larger than what is accepted."""


def start_request(
    connection: Connection,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
    *,
    timeout: float,
    max_response: int,
    method: str = "POST",
) -> "Future[CallResponse]":
    """Start a request on behalf of the owner of a source; ``response_of`` waits for its response."""
    return start_call(
        method,
        url,
        share=connection.share,
        headers=headers,
        body=body,
        timeout=timeout,
        max_response=max_response,
    )


def response_of(future: "Future[CallResponse]", setting: str) -> CallResponse:
    """Return the complete response, whatever its status; ``setting`` is that of the address.

    Raises NoResponse, TooLarge, Busy and other SourceUnavailable.
    """
    try:
        response = future.result()
    except ForbiddenAddress as error:
        raise SourceUnavailable(str(error), setting) from error
    except ForbiddenHeader as error:
        raise SourceUnavailable(f"A header of the request is invalid: {error}") from error
    except LimitReached as error:
        raise Busy(str(error)) from error
    except CallFailed as error:
        kind = NoResponse if isinstance(error, DeadlineExceeded) else SourceUnavailable
        raise kind(str(error) or f"{_FAILURES.get(type(error), 'The call failed')}.", setting) from error
    if response.truncated:
        raise TooLarge(f"The response has more than {len(response.body)} bytes.", setting)
    return response
