"""Send to destinations with an API over HTTPS: the transport of every ``HttpsKind``, on one curl engine.

``submit`` collects, ``advance`` sends what is due in groups (``groups``), ``take`` settles each message of a request by
its own verdict. Attempts whose endpoint needs an access token wait for it; a response with status 401 means that it was
revoked, and the request is sent once more with a new one, within the timeout of the attempts.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from selectors import EVENT_READ, DefaultSelector
from uuid import UUID

from django.conf import settings

from delivery import telemetry
from delivery.sql.claim import Claimed
from delivery.transports.http.repeats import Repeat
from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender, max_connections
from delivery.transports.https.clients import HttpsClients
from delivery.transports.https.groups import Entry, Group, Groups
from delivery.transports.https.tokens import request_token, tokens
from delivery.transports.in_flight import InFlight
from delivery.transports.message import message_of
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import MAX_TEXT, SendFailed
from delivery.transports.transport import NotSent
from delivery.transports.wake_up import WakeUp
from subscriptions.endpoints.http.oauth_tokens import BearerToken, TokenRequestFailed
from subscriptions.routing.targets import DeliveryTarget
from webhooks.outgoing.errors import LimitReached
from webhooks.outgoing.own_address import is_own_http
from webhooks.version import USER_AGENT
from webhooks.wire.header_values import curl_line

MOST_CONNECTIONS = 256  # of this transport, kept ones included
NO_EXPECT = ["expect:", "accept:", f"user-agent: {USER_AGENT}"]  # a line without a value removes a header of libcurl
UNAUTHORIZED = 401
MIN_REPEAT_MS = 1_000  # a request is sent once more only if this much of the timeout is left


def open_transport(clock: Callable[[], float]) -> "HttpsTransport":
    """Open the transport; ``clock`` returns unix seconds."""
    connections = max(1, min(MOST_CONNECTIONS, max_connections() // 4))
    allow_http = settings.WAYPOST_ALLOW_HTTP or is_own_http()
    return HttpsTransport(HttpSender(allow_http=allow_http, clock=clock, connections=connections), clock)


class HttpsTransport:
    """Send the attempts of one drain to destinations over HTTPS."""

    def __init__(self, http: HttpSender, clock: Callable[[], float]) -> None:
        self._http = http
        self._clock = clock
        self._clients = HttpsClients()
        self._groups = Groups()
        self._in_flight: dict[UUID, Group] = {}  # by the id of the first attempt
        self._waiting: dict[UUID, list[Group]] = {}  # for the token of their endpoint
        self._requests: dict[UUID, Future[BearerToken]] = {}  # token requests, by endpoint
        self._ended: list[tuple[InFlight, Outcome]] = []
        self._has_token = False  # whether a token request has ended since the last turn
        self._wake_up = WakeUp()
        self._selector = DefaultSelector()
        self._selector.register(http, EVENT_READ)
        self._selector.register(self._wake_up, EVENT_READ)

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> Entry | NotSent:
        """Return the message and what sends it; no request yet, since it may be one for several messages."""
        if target.signer is None:
            return NotSent(Failure.UNSIGNED)
        client = self._clients.find(target)
        if client is None or claimed.is_unreadable:
            return NotSent(Failure.CREDENTIALS)
        message = message_of(claimed, target.signer, now)
        try:
            return Entry(message, target, client, client.size_of(message), client.batch_key(message))
        except SendFailed as error:
            return NotSent(error.failure, rejected=True, detail=error.text)

    def submit(self, attempts: Sequence[tuple[InFlight, Entry]]) -> None:
        """Collect these attempts; ``advance`` sends them."""
        now = time.monotonic()
        for attempt, entry in attempts:
            self._groups.add(attempt, entry, now)

    def advance(self) -> None:
        """Send what is due, and receive what is possible without waiting."""
        now = time.monotonic()
        due_at = self._groups.next_due_at()
        if due_at is not None:
            for group in self._groups.take(now):
                group.started = now
                self._start(group)
        if self._has_token:
            self._has_token = False
            self._wake_up.clear()
            self._use_tokens()
        self._http.advance()

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return the attempts that have ended, each by the verdict on its own message."""
        for first, outcome in self._http.take():
            self._end(self._in_flight.pop(first.attempt_id), outcome)
        ended, self._ended = self._ended, []
        return ended

    def maintain(self) -> None:
        """Do nothing: this transport uses no database."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``advance`` has something to do."""
        return self._selector.fileno()

    def seconds_to_timer(self) -> float | None:
        """Return after how many seconds ``advance`` has something to do in any case."""
        if self._ended:
            return 0.0
        due_at = self._groups.next_due_at()
        timers = [self._http.seconds_to_timer(), None if due_at is None else max(0.0, due_at - time.monotonic())]
        return min((it for it in timers if it is not None), default=None)

    def close(self) -> None:
        """Abandon what is still in flight."""
        self._selector.close()
        self._wake_up.close()
        self._http.close()

    def _start(self, group: Group) -> None:
        """Send a group, or let it wait for the access token of its endpoint."""
        credentials = group.client.token
        endpoint_id = group.target.endpoint_id
        bearer = "" if credentials is None else tokens().find(endpoint_id, credentials)
        if bearer is not None:
            self._send(group, bearer)
            return
        self._waiting.setdefault(endpoint_id, []).append(group)
        if credentials is not None and endpoint_id not in self._requests:
            request = self._requests[endpoint_id] = request_token(credentials, group.target.tenant_id)
            request.add_done_callback(self._on_token_ended)

    def _on_token_ended(self, _request: "Future[BearerToken]") -> None:
        self._has_token = True
        self._wake_up.set()

    def _send(self, group: Group, bearer: str) -> None:
        target, now = group.target, self._clock()
        left_ms = target.timeout_ms - round((time.monotonic() - group.started) * 1000)
        try:
            request = group.client.compose(group.messages, now, bearer)
        except SendFailed as error:
            self._end_all(group, error.outcome(now, 0))
            return
        except Exception as error:  # an error with one request must not stop the others
            telemetry.not_sent(group.attempts[0].claimed.id, error)
            self._end_all(group, Outcome(now, 0, failure=Failure.INTERNAL))
            return
        admits = self._clients.guard(group.client, request.url)
        if admits is None:
            self._end_all(group, Outcome(now, 0, failure=Failure.FORBIDDEN))
            return
        group.token = bearer
        self._in_flight[group.attempts[0].attempt_id] = group
        lines = [*(curl_line(name, value) for name, value in request.headers.items()), *NO_EXPECT]
        sent = Request(
            url=request.url,
            headers=lines,
            body=request.body,
            signed_at=now,
            timeout_ms=max(left_ms, MIN_REPEAT_MS),
            admits=admits,
            share=target.tenant_id,
            method=request.method,
            tls=request.tls,
            max_response=group.client.max_response,
        )
        self._http.submit([(group.attempts[0], sent)])

    def _use_tokens(self) -> None:
        """Send the groups whose token request has ended, or fail them."""
        for endpoint_id, request in list(self._requests.items()):
            if not request.done():
                continue
            del self._requests[endpoint_id]
            groups = self._waiting.pop(endpoint_id)
            try:
                token = request.result()
            except Exception as error:  # an error with one token server must not stop other endpoints
                is_limit = isinstance(error, LimitReached)
                if not (is_limit or isinstance(error, TokenRequestFailed)):
                    telemetry.token_request_failed(endpoint_id, error)
                failed = Outcome(self._clock(), 0, failure=Failure.CREDENTIALS, not_attempted=is_limit)
                for group in groups:
                    self._end_all(group, failed)
                continue
            for group in groups:
                if group.client.token is not None:
                    tokens().keep(endpoint_id, group.client.token, token)
                self._send(group, token.text)

    def _end(self, group: Group, outcome: Outcome) -> None:
        if outcome.status == UNAUTHORIZED and group.token and self._repeats(group):
            return
        if group.is_repeated:
            outcome = outcome._replace(repeats=(*outcome.repeats, Repeat.UNAUTHORIZED))
        if outcome.not_attempted:
            self._end_all(group, outcome)
            return
        try:
            verdicts = group.client.verdicts(outcome, group.messages)
        except Exception as error:
            telemetry.response_not_read(group.target.kind, error)
            verdicts = [outcome._replace(failure=Failure.PROTOCOL)] * len(group.attempts)
        for attempt, verdict in zip(group.attempts, verdicts, strict=True):
            self._ended.append((attempt, verdict if len(group.attempts) == 1 else _shortened(verdict)))

    def _repeats(self, group: Group) -> bool:
        """Send a group again with a new token after a 401, unless it was; return whether it is."""
        tokens().forget(group.target.endpoint_id, group.token)
        left_ms = group.target.timeout_ms - (time.monotonic() - group.started) * 1000
        if group.is_repeated or left_ms < MIN_REPEAT_MS:
            return False
        group.is_repeated = True
        self._start(group)
        return True

    def _end_all(self, group: Group, outcome: Outcome) -> None:
        self._ended += [(attempt, outcome) for attempt in group.attempts]


def _shortened(outcome: Outcome) -> Outcome:
    """Return the outcome of one of several messages, with little of the response, which every one of them records."""
    return outcome._replace(response=outcome.response[:MAX_TEXT], headers=b"")
