"""Define a kind of destination that is sent to over HTTPS: how messages become a request, and what a response means.

The engine (``transport``) does the rest: it groups messages of one endpoint, sends the request within the timeout and
under the address guard, gets access tokens, and settles each message by its own verdict.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from delivery.transports.http.request import MAX_RESPONSE
from delivery.transports.http.responses import SUCCESS
from delivery.transports.http.shown_request import MASK
from delivery.transports.https.api_responses import failure_of_status, parsed
from delivery.transports.https.tokens import Credentials, request_token
from delivery.transports.message import Message
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import SendFailed
from delivery.transports.shown_message import ShownMessage
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, Kind
from subscriptions.endpoints.http.certificates import TlsFiles
from subscriptions.endpoints.http.oauth_tokens import TokenRequestFailed
from webhooks.outgoing.errors import CallFailed, LimitReached
from webhooks.outgoing.guarded_call import start_call
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

TEST_TIMEOUT = 5.0  # seconds of a request of a test
MAX_SHOWN = 300  # bytes of an error that a test shows
UNLIMITED = 2**62


@dataclass(frozen=True, slots=True)
class HttpsRequest:
    """Hold one request: names of headers in lower case."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"
    tls: TlsFiles | None = None


class HttpsClient:
    """Write the requests of one endpoint, and read the responses. Has no connection of its own and does no I/O.

    ``max_entries``, ``max_bytes``: messages in one request, and the sum of their ``size_of``. ``max_response``: bytes
    of a response that are read. ``token``: credentials of an access token that ``compose`` needs; None: no token.
    """

    max_entries: int = 1
    max_bytes: int = UNLIMITED
    max_response: int = MAX_RESPONSE
    token: Credentials | None = None

    def size_of(self, message: Message) -> int:
        """Return how many bytes a message counts. Raises SendFailed (TOO_LARGE) for one that can never be sent."""
        return len(message.body)

    def batch_key(self, message: Message) -> Hashable:  # noqa: ARG002 (for those who need it)
        """Return what the messages of one request must have in common; by default they need nothing."""
        return None

    def compose(self, messages: Sequence[Message], now: float, bearer: str) -> HttpsRequest:
        """Return the request that sends these messages at ``now`` (unix seconds), signed or with the access token."""
        raise NotImplementedError

    def verdicts(self, outcome: Outcome, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Return the outcome of each message, given that of the request: by default all have the same.

        ``outcome`` is that of a request to a webhook (``http.responses``): with a ``status`` if there was a response.
        """
        return [outcome] * len(messages)


class HttpsKind(Kind):
    """A kind that is sent to over HTTPS."""

    engine = "https"

    def client(self, connection: Connection) -> HttpsClient:
        """Return what writes and reads for an endpoint; made anew when its settings change."""
        raise NotImplementedError

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        """Return the request of one message as it is shown: headers with credentials are masked by the caller."""
        client = self.client(connection)
        request = client.compose([message], now, MASK if client.token else "")
        return ShownMessage(request.method, request.url, request.headers, request.body)


def call(connection: Connection, request: HttpsRequest, setting: str) -> tuple[int, bytes]:
    """Send one request of a test, and return status and body of the response. Blocks for TEST_TIMEOUT at most.

    Raises DestinationUnavailable, with the ``setting`` that names the address if it is to blame.
    """
    try:
        response = start_call(
            request.method,
            request.url,
            share=connection.share,
            headers=dict(request.headers),
            body=request.body,
            timeout=TEST_TIMEOUT,
        ).result(TEST_TIMEOUT + 1)
    except ForbiddenAddress as error:
        raise DestinationUnavailable(str(error), setting) from None
    except (CallFailed, TimeoutError) as error:
        raise DestinationUnavailable(f"It was not reached: {error or type(error).__name__}", setting) from None
    return response.status, response.body


def call_api(connection: Connection, request: HttpsRequest, setting: str) -> dict[str, Any]:
    """Return the JSON object that a request of a test gets; ``setting`` names the place, such as a queue.

    Raises DestinationUnavailable.
    """
    status, body = call(connection, request, setting)
    if status in SUCCESS:
        return parsed(body)
    failure = failure_of_status(status)
    if failure is Failure.ACCESS_DENIED:
        raise DestinationUnavailable(f"Access denied ({status}): {shortened(body)}", "credentials")
    raise DestinationUnavailable(f"The response has status {status}: {shortened(body)}", setting)


def token_for_test(connection: Connection, credentials: Credentials, setting: str) -> str:
    """Return an access token for a test; ``setting`` names the credentials. Raises DestinationUnavailable."""
    try:
        return request_token(credentials, connection.share).result(TEST_TIMEOUT + 1).text
    except (TokenRequestFailed, LimitReached) as error:
        raise DestinationUnavailable(str(error), setting) from None
    except TimeoutError:
        raise DestinationUnavailable("The token server did not respond in time.", setting) from None


def shortened(body: bytes) -> str:
    """Return the beginning of the body of an error, in one line."""
    return " ".join(body[:MAX_SHOWN].decode("utf-8", "replace").split())


__all__ = [
    "HttpsClient",
    "HttpsKind",
    "HttpsRequest",
    "SendFailed",
    "ShownMessage",
    "call",
    "call_api",
    "shortened",
    "token_for_test",
]
