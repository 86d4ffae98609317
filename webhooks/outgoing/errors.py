"""Define the errors of outgoing calls.

    Exception
      CallFailed              the server of others, or the way to it
        HostNotResolved, ConnectFailed, TlsFailed, InvalidResponse, DeadlineExceeded
      LimitReached            too much at once for one tenant: nothing was sent
        TooManyCalls, TooManyLookups

A forbidden address raises `webhooks.wire.addresses.parsed_url.ForbiddenAddress`.
"""


class CallFailed(Exception):
    """The call failed; the server may have processed it nevertheless."""


class HostNotResolved(CallFailed):
    """The name of the host could not be resolved."""


class ConnectFailed(CallFailed):
    """No connection to the host could be made."""


class TlsFailed(CallFailed):
    """No trusted TLS connection to the host could be made."""


class InvalidResponse(CallFailed):
    """The connection ended early, or the response was not HTTP."""


class DeadlineExceeded(CallFailed):
    """The call was not complete in time."""


class LimitReached(Exception):
    """A tenant has too much in progress. The message is for the tenant; `limit` is the name of the limit."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class TooManyCalls(LimitReached):
    """The tenant has too many outgoing calls in progress, altogether or to one host."""


class TooManyLookups(LimitReached):
    """The tenant has too many lookups of host names in progress."""
