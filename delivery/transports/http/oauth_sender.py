"""Send HTTP attempts, with an access token to endpoints that require OAuth: a transport that wraps ``HttpSender``.

If the endpoint's token is in memory, the request is sent at once. If not, a thread gets a token (see
``subscriptions.endpoints.http.oauth_tokens``) while the drain continues. When the thread ends, the attempts that wait
for the token are sent, or fail if there is no token. A response with status 401 means that the token was revoked: a new
token is requested, and the request is sent once more, as part of the same attempt and within its timeout. Attempts to
endpoints without OAuth go to ``HttpSender`` directly.

A tenant whose token servers hang must not occupy all threads: a tenant gets another thread only while it uses fewer
than are free. So one tenant occupies at most half of the threads, a second one half of the rest, and so on.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from selectors import EVENT_READ, DefaultSelector
from uuid import UUID

from django.conf import settings

from delivery import telemetry
from delivery.sql.claim import Claimed
from delivery.transports.http.exchange import Request
from delivery.transports.http.sender import HttpSender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.transport import NotSent
from delivery.transports.wake_up import WakeUp
from subscriptions.endpoints.http.credentials import ClientCredentials
from subscriptions.endpoints.http.oauth_tokens import BearerToken, TokenRequestFailed, get_token_in_thread
from subscriptions.routing.targets import DeliveryTarget

TOKEN_THREADS = 64  # token requests at the same time in one drain: a token server that hangs occupies a thread
TOKEN_WAIT = 6.0  # seconds an attempt waits for its first token; a claim lasts longer than this plus the timeout
MIN_RESEND_MS = 1_000  # a request is sent once more only if this much of the attempt's timeout is left
UNAUTHORIZED = 401


def open_transport(clock: Callable[[], float]) -> "OAuthSender":
    """Open the transport of the kind ``http``; ``clock`` returns unix seconds."""
    return OAuthSender(HttpSender(allow_http=settings.WAYPOST_ALLOW_HTTP, clock=clock), clock)


@dataclass(slots=True)
class TokenAttempt:
    """Hold an attempt that needs an access token.

    ``started``: monotonic seconds. ``token``: the token it was last sent with. ``rejected``: the token for which the
    endpoint responded 401. ``is_resent``: whether the attempt is being sent for the second time, after a 401.
    """

    claimed: Claimed
    target: DeliveryTarget
    oauth: ClientCredentials
    started: float
    token: str = field(default="", repr=False)
    rejected: str = field(default="", repr=False)
    is_resent: bool = False

    def milliseconds_left(self) -> int:
        """Return how much of the attempt's timeout is left."""
        return self.target.timeout_ms - round((time.monotonic() - self.started) * 1000)

    def has_waited_too_long(self) -> bool:
        """Return whether an attempt that still has no token must fail."""
        if self.is_resent:
            return self.milliseconds_left() < MIN_RESEND_MS
        return time.monotonic() - self.started > TOKEN_WAIT


class OAuthSender:
    """Send the HTTP attempts of one drain, with access tokens where endpoints require them.

    An endpoint in ``_waiting`` without an entry in ``_token_requests`` waits for a free thread.
    """

    def __init__(
        self, http: HttpSender, clock: Callable[[], float], get_token: Callable[..., BearerToken] = get_token_in_thread
    ) -> None:
        self._http = http
        self._clock = clock
        self._get_token = get_token
        self._pool: ThreadPoolExecutor | None = None
        self._tokens: dict[UUID, tuple[DeliveryTarget, BearerToken]] = {}  # by endpoint; valid for this target only
        self._token_requests: dict[UUID, Future[BearerToken]] = {}  # by endpoint
        self._tenants: dict[Future[BearerToken], UUID] = {}  # tenants of the running token requests
        self._waiting: dict[UUID, list[tuple[InFlight, TokenAttempt]]] = {}  # attempts without a token, by endpoint
        self._in_flight: dict[UUID, TokenAttempt] = {}  # sent attempts, by attempt id
        self._ended: list[tuple[InFlight, Outcome]] = []
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
        """Send the attempts that need no token or whose token is in memory; request tokens for the others."""
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
        if self._ended:
            self._wake_up.set()

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return the attempts that have ended. Also send those whose token has arrived, and resend after a 401."""
        results = self._http.take()
        if not (self._waiting or self._in_flight or self._ended):
            return results
        final = [(in_flight, outcome) for in_flight, outcome in results if not self._resend(in_flight, outcome)]
        self._wake_up.clear()
        self._process_waiting()
        ended, self._ended = self._ended, []
        return final + ended

    def fileno(self) -> int:
        """Return a descriptor that is readable when an attempt or a token request has ended."""
        return self._selector.fileno()

    def close(self) -> None:
        """Abandon the attempts in flight. Token requests that are running end by their own timeout."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._selector.close()
        self._wake_up.close()
        self._http.close()

    def _send(self, in_flight: InFlight, attempt: TokenAttempt, bearer: BearerToken) -> None:
        prepared = self._http.prepare(attempt.claimed, attempt.target, self._clock(), bearer.text)
        if isinstance(prepared, NotSent):
            telemetry.not_sent(attempt.claimed.id, prepared.error)
            self._fail(in_flight, prepared.failure)
            return
        if attempt.is_resent:
            prepared = replace(prepared, timeout_ms=max(attempt.milliseconds_left(), MIN_RESEND_MS))
        attempt.token = bearer.text
        self._in_flight[in_flight.attempt_id] = attempt
        self._http.submit([(in_flight, prepared)])

    def _queue_for_token(self, in_flight: InFlight, attempt: TokenAttempt, rejected: str = "") -> None:
        attempt.rejected = rejected
        endpoint_id = attempt.target.endpoint_id
        self._waiting.setdefault(endpoint_id, []).append((in_flight, attempt))
        request = self._token_requests.get(endpoint_id)
        if request is None or request.done():
            self._token_requests.pop(endpoint_id, None)
            self._request_token(attempt)

    def _request_token(self, attempt: TokenAttempt) -> None:
        """Get a token in a thread, unless the tenant already uses as many threads as are free."""
        target = attempt.target
        self._tenants = {request: tenant for request, tenant in self._tenants.items() if not request.done()}
        used_by_tenant = sum(tenant == target.tenant_id for tenant in self._tenants.values())
        free = TOKEN_THREADS - len(self._tenants)
        if used_by_tenant >= free:
            return
        self._pool = self._pool or ThreadPoolExecutor(TOKEN_THREADS, thread_name_prefix="token")
        request = self._pool.submit(
            self._get_token, target.endpoint_id, attempt.oauth, rejected=attempt.rejected or None
        )
        self._token_requests[target.endpoint_id] = request
        self._tenants[request] = target.tenant_id
        request.add_done_callback(self._on_token_request_ended)

    def _on_token_request_ended(self, _request: Future[BearerToken]) -> None:
        self._wake_up.set()

    def _process_waiting(self) -> None:
        """Send or fail the attempts whose token request has ended; end those that have waited too long."""
        for endpoint_id in list(self._waiting):
            request = self._token_requests.get(endpoint_id)
            if request is None:
                self._request_token(self._waiting[endpoint_id][0][1])
            elif request.done():
                del self._token_requests[endpoint_id]
                self._send_or_fail(self._waiting.pop(endpoint_id), request)
                continue
            self._time_out(endpoint_id)

    def _send_or_fail(self, attempts: list[tuple[InFlight, TokenAttempt]], request: Future[BearerToken]) -> None:
        try:
            bearer = request.result()
        except Exception as error:  # an error with one token server must not stop other endpoints
            if not isinstance(error, TokenRequestFailed):
                telemetry.token_request_failed(attempts[0][1].target.endpoint_id, error)
            for in_flight, _ in attempts:
                self._fail(in_flight, Failure.CREDENTIALS)
            return
        for in_flight, attempt in attempts:
            self._tokens[attempt.target.endpoint_id] = (attempt.target, bearer)
            self._send(in_flight, attempt, bearer)

    def _resend(self, in_flight: InFlight, outcome: Outcome) -> bool:
        """Resend an attempt with a new token if the endpoint responded 401; return whether the attempt continues."""
        attempt = self._in_flight.pop(in_flight.attempt_id, None)
        if attempt is None or outcome.status != UNAUTHORIZED:
            return False
        _, bearer = self._tokens.get(attempt.target.endpoint_id, (None, None))
        if bearer is not None and bearer.text == attempt.token:
            del self._tokens[attempt.target.endpoint_id]
        if attempt.is_resent or attempt.milliseconds_left() < MIN_RESEND_MS:
            return False
        attempt.is_resent = True
        self._queue_for_token(in_flight, attempt, rejected=attempt.token)
        return True

    def _time_out(self, endpoint_id: UUID) -> None:
        """End the endpoint's attempts that have waited too long. A token that arrives later is for later attempts."""
        for in_flight, attempt in self._waiting.pop(endpoint_id):
            if attempt.has_waited_too_long():
                self._fail(in_flight, Failure.CREDENTIALS)
            else:
                self._waiting.setdefault(endpoint_id, []).append((in_flight, attempt))

    def _fail(self, in_flight: InFlight, failure: Failure) -> None:
        self._ended.append((in_flight, Outcome(self._clock(), 0, failure=failure)))
