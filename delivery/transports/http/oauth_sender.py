"""Send HTTP attempts, with an access token to endpoints that require OAuth: a transport that wraps ``HttpSender``.

If the endpoint's token is in memory, the request is sent at once. If not, the stored token is read, or one is requested
from the token server (see ``subscriptions.endpoints.http.oauth_tokens``) while the drain continues. When the request
ends, the attempts that wait for the token are sent, or fail if there is no token. A response with status 401 means that
the token was revoked: a new token is requested, and the request is sent once more, as part of the same attempt and
within its timeout. Attempts to endpoints without OAuth go to ``HttpSender`` directly.

Token requests run in the event loop of ``webhooks.outgoing``, so a token server that hangs occupies no thread. A tenant
has at most TOKEN_REQUESTS_PER_TENANT at a time; further endpoints of it wait for a place, up to TOKEN_WAIT.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError

from delivery import telemetry
from delivery.sql.claim import Claimed
from delivery.transports.http.repeats import Repeat
from delivery.transports.http.request import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.transport import NotSent
from delivery.transports.wake_up import WakeUp
from subscriptions.endpoints.http.credentials import ClientCredentials
from subscriptions.endpoints.http.oauth_tokens import (
    BearerToken,
    TokenRequestFailed,
    start_token_request,
    store_token,
    stored_tokens,
)
from subscriptions.routing.targets import DeliveryTarget
from webhooks.outgoing.errors import LimitReached
from webhooks.outgoing.own_address import is_own_http

TOKEN_REQUESTS_PER_TENANT = 8  # at the same time in one drain
TOKEN_WAIT = 6.0  # seconds an attempt waits for its first token; a claim lasts longer than this plus the timeout
TOKEN_POLL = 0.1  # seconds between two checks for attempts that have waited too long, while some wait
MIN_REPEAT_MS = 1_000  # a request is sent once more only if this much of the attempt's timeout is left
UNAUTHORIZED = 401


def open_transport(clock: Callable[[], float]) -> "OAuthSender":
    """Open the transport of the kind ``http``; ``clock`` returns unix seconds."""
    return OAuthSender(HttpSender(allow_http=settings.WAYPOST_ALLOW_HTTP or is_own_http(), clock=clock), clock)


@dataclass(slots=True)
class TokenAttempt:
    """Hold an attempt that needs an access token.

    ``started``: monotonic seconds. ``token``: the token it was last sent with. ``rejected``: the token for which the
    endpoint responded 401. ``is_repeated``: whether the attempt is being sent for the second time, after a 401.
    ``repeats``: why its requests before that were sent again.
    """

    claimed: Claimed
    target: DeliveryTarget
    oauth: ClientCredentials
    started: float
    token: str = field(default="", repr=False)
    rejected: str = field(default="", repr=False)
    is_repeated: bool = False
    repeats: tuple[str, ...] = ()

    def milliseconds_left(self) -> int:
        """Return how much of the attempt's timeout is left."""
        return self.target.timeout_ms - round((time.monotonic() - self.started) * 1000)

    def has_waited_too_long(self) -> bool:
        """Return whether an attempt that still has no token must fail."""
        if self.is_repeated:
            return self.milliseconds_left() < MIN_REPEAT_MS
        return time.monotonic() - self.started > TOKEN_WAIT


@dataclass(slots=True)
class _WaitingEndpoint:
    """Hold the attempts of one endpoint that wait for its token, and the token request if it has a place."""

    attempts: list[tuple[InFlight, TokenAttempt]] = field(default_factory=list)
    is_new: bool = True
    """Whether the stored token has not been read yet."""
    request: "Future[BearerToken] | None" = None

    @property
    def target(self) -> DeliveryTarget:
        return self.attempts[0][1].target

    @property
    def oauth(self) -> ClientCredentials:
        return self.attempts[0][1].oauth

    @property
    def rejected(self) -> set[str]:
        return {attempt.rejected for _, attempt in self.attempts}


class OAuthSender:
    """Send the HTTP attempts of one drain, with access tokens where endpoints require them."""

    def __init__(self, http: HttpSender, clock: Callable[[], float]) -> None:
        self._http = http
        self._clock = clock
        self._tokens: dict[UUID, tuple[DeliveryTarget, BearerToken]] = {}  # by endpoint; valid for this target only
        self._waiting: dict[UUID, _WaitingEndpoint] = {}
        self._in_flight: dict[UUID, TokenAttempt] = {}  # sent attempts, by attempt id
        self._ended: list[tuple[InFlight, Outcome]] = []
        self._has_token = False  # whether a token request has ended
        self._wake_up = WakeUp()
        self._selector = DefaultSelector()
        self._selector.register(http, EVENT_READ)
        self._selector.register(self._wake_up, EVENT_READ)

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> Request | TokenAttempt | NotSent:
        """Compose the request; with OAuth return a TokenAttempt, whose request is composed when it has a token."""
        if target.http is None or target.http.oauth is None:
            return self._http.prepare(claimed, target, now)
        return TokenAttempt(claimed, target, target.http.oauth, time.monotonic())

    def submit(self, attempts: Sequence[tuple[InFlight, Request | TokenAttempt]]) -> None:
        """Send the attempts that need no token or whose token is in memory; the others wait for ``maintain``."""
        requests: list[tuple[InFlight, Request]] = []
        for in_flight, prepared in attempts:
            if isinstance(prepared, Request):
                requests.append((in_flight, prepared))
                continue
            token_target, bearer = self._tokens.get(prepared.target.endpoint_id, (None, None))
            if token_target is prepared.target and bearer is not None and bearer.is_fresh(time.time()):
                self._send(in_flight, prepared, bearer)
            else:
                self._queue_for_token(in_flight, prepared)
        if requests:
            self._http.submit(requests)

    def advance(self) -> None:
        """Send and receive what is possible without waiting."""
        self._http.advance()

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return the attempts that have ended; those with a status 401 are sent once more, by ``maintain``."""
        results = self._http.take()
        if not (self._in_flight or self._ended):
            return results
        final = [it for it in (self._take(*result) for result in results) if it is not None]
        ended, self._ended = self._ended, []
        return final + ended

    def maintain(self) -> None:
        """Get the tokens that attempts wait for, and send or fail those whose wait is over. Uses the database."""
        if self._has_token:
            self._has_token = False
            self._wake_up.clear()
        if not self._waiting:
            return
        self._process_ended_requests()
        self._get_tokens()
        self._time_out()

    def fileno(self) -> int:
        """Return a descriptor that is readable when an attempt can go on or a token request has ended."""
        return self._selector.fileno()

    def seconds_to_timer(self) -> float | None:
        """Return after how many seconds there is something to do in any case."""
        if self._ended or any(waiting.is_new for waiting in self._waiting.values()):
            return 0.0
        timer = self._http.seconds_to_timer()
        return timer if not self._waiting else min(TOKEN_POLL, TOKEN_POLL if timer is None else timer)

    def close(self) -> None:
        """Abandon the attempts in flight. Token requests that are running end by their own timeout."""
        self._selector.close()
        self._wake_up.close()
        self._http.close()

    def _send(self, in_flight: InFlight, attempt: TokenAttempt, bearer: BearerToken) -> None:
        prepared = self._http.prepare(attempt.claimed, attempt.target, self._clock(), bearer.text)
        if isinstance(prepared, NotSent):
            telemetry.not_sent(attempt.claimed.id, prepared.error)
            self._fail(in_flight, attempt, prepared.failure)
            return
        if attempt.is_repeated:
            prepared = prepared._replace(timeout_ms=max(attempt.milliseconds_left(), MIN_REPEAT_MS))
            attempt.repeats += (Repeat.UNAUTHORIZED,)
        attempt.token = bearer.text
        self._in_flight[in_flight.attempt_id] = attempt
        self._http.submit([(in_flight, prepared)])

    def _queue_for_token(self, in_flight: InFlight, attempt: TokenAttempt, rejected: str = "") -> None:
        attempt.rejected = rejected
        self._waiting.setdefault(attempt.target.endpoint_id, _WaitingEndpoint()).attempts.append((in_flight, attempt))

    def _get_tokens(self) -> None:
        """Use the stored tokens of the endpoints that began to wait; request the others as the tenants have places."""
        new = {key: waiting for key, waiting in self._waiting.items() if waiting.is_new}
        for endpoint_id, bearer in self._read_stored(new).items():
            if bearer.text not in new[endpoint_id].rejected:
                self._send_all(endpoint_id, bearer)
        running: Counter[UUID] = Counter(it.target.tenant_id for it in self._waiting.values() if it.request)
        for waiting in self._waiting.values():
            tenant_id = waiting.target.tenant_id
            if waiting.request is None and running[tenant_id] < TOKEN_REQUESTS_PER_TENANT:
                running[tenant_id] += 1
                waiting.request = start_token_request(waiting.oauth, share=tenant_id)
                waiting.request.add_done_callback(self._on_token_request_ended)

    def _read_stored(self, new: dict[UUID, _WaitingEndpoint]) -> dict[UUID, BearerToken]:
        for waiting in new.values():
            waiting.is_new = False
        try:
            return stored_tokens({key: waiting.oauth for key, waiting in new.items()}) if new else {}
        except DatabaseError as error:
            telemetry.token_request_failed(next(iter(new)), error)
            return {}

    def _on_token_request_ended(self, _request: "Future[BearerToken]") -> None:
        self._has_token = True
        self._wake_up.set()

    def _process_ended_requests(self) -> None:
        """Send or fail the attempts whose token request has ended."""
        for endpoint_id, waiting in list(self._waiting.items()):
            if waiting.request is None or not waiting.request.done():
                continue
            try:
                bearer = waiting.request.result()
            except Exception as error:  # an error with one token server must not stop other endpoints
                is_limit = isinstance(error, LimitReached)  # the tenant's share is used up: no failure of the endpoint
                if not (is_limit or isinstance(error, TokenRequestFailed)):
                    telemetry.token_request_failed(endpoint_id, error)
                del self._waiting[endpoint_id]
                for in_flight, attempt in waiting.attempts:
                    self._fail(
                        in_flight, attempt, Failure.CREDENTIALS, not_attempted=is_limit and not attempt.is_repeated
                    )
            else:
                self._store(endpoint_id, waiting.oauth, bearer)
                self._send_all(endpoint_id, bearer)

    def _store(self, endpoint_id: UUID, oauth: ClientCredentials, bearer: BearerToken) -> None:
        try:
            store_token(endpoint_id, oauth, bearer)
        except DatabaseError as error:  # it can be used nevertheless
            telemetry.token_request_failed(endpoint_id, error)

    def _send_all(self, endpoint_id: UUID, bearer: BearerToken) -> None:
        for in_flight, attempt in self._waiting.pop(endpoint_id).attempts:
            self._tokens[endpoint_id] = (attempt.target, bearer)
            self._send(in_flight, attempt, bearer)

    def _take(self, in_flight: InFlight, outcome: Outcome) -> tuple[InFlight, Outcome] | None:
        """Return an ended attempt with the reasons of all its requests, or None if it continues with a new token."""
        attempt = self._in_flight.pop(in_flight.attempt_id, None)
        if attempt is None:
            return in_flight, outcome
        attempt.repeats += outcome.repeats
        if outcome.status == UNAUTHORIZED and self._repeat(in_flight, attempt):
            return None
        return in_flight, outcome._replace(repeats=attempt.repeats)

    def _repeat(self, in_flight: InFlight, attempt: TokenAttempt) -> bool:
        """Repeat an attempt with a new token after a 401, unless it was; return whether the attempt continues."""
        _, bearer = self._tokens.get(attempt.target.endpoint_id, (None, None))
        if bearer is not None and bearer.text == attempt.token:
            del self._tokens[attempt.target.endpoint_id]
        if attempt.is_repeated or attempt.milliseconds_left() < MIN_REPEAT_MS:
            return False
        attempt.is_repeated = True
        self._queue_for_token(in_flight, attempt, rejected=attempt.token)
        return True

    def _time_out(self) -> None:
        """End the attempts that have waited too long. A token that arrives later is not used."""
        for endpoint_id, waiting in list(self._waiting.items()):
            for in_flight, attempt in waiting.attempts:
                if attempt.has_waited_too_long():
                    self._fail(in_flight, attempt, Failure.CREDENTIALS)
            waiting.attempts = [it for it in waiting.attempts if not it[1].has_waited_too_long()]
            if not waiting.attempts:
                del self._waiting[endpoint_id]

    def _fail(
        self, in_flight: InFlight, attempt: TokenAttempt, failure: Failure, *, not_attempted: bool = False
    ) -> None:
        outcome = Outcome(self._clock(), 0, failure=failure, not_attempted=not_attempted, repeats=attempt.repeats)
        self._ended.append((in_flight, outcome))
