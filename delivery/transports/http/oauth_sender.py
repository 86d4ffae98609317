"""Send attempts to endpoints that require OAuth access tokens: a transport around the HTTP one.

If the endpoint's token is in memory the request is sent at once. If not, a thread gets one (see
``subscriptions.endpoints.http.oauth_tokens``) while the drain goes on; the attempts that wait for it are then sent, or
end as failures of their endpoint. A response 401 means that the token was revoked: it is replaced, and the request is
sent once more within the same attempt and its timeout. Attempts to all other endpoints are passed through.

Threads are few, and a tenant whose token servers hang must not occupy them all: a tenant gets another thread only while
it uses fewer than are free. So one tenant has half of them at most, the next one half of what is left, and so on.
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

TOKEN_THREADS = 64  # tokens requested at once: a token server that hangs occupies a thread for seconds
TOKEN_WAIT = 6.0  # seconds an attempt waits for a token: its claim outlives that together with its timeout
MIN_RESEND_MS = 1_000  # milliseconds of the timeout that must be left to send a request once more
UNAUTHORIZED = 401


def open_transport(clock: Callable[[], float]) -> "OAuthSender":
    """Open the transport of the kind ``http``; ``clock`` returns unix seconds."""
    return OAuthSender(HttpSender(allow_http=settings.WAYPOST_ALLOW_HTTP, clock=clock), clock)


@dataclass(slots=True)
class TokenAttempt:
    """Hold an attempt that needs a token. ``started``: monotonic seconds; ``rejected``: a token that got a 401."""

    claimed: Claimed
    target: DeliveryTarget
    oauth: ClientCredentials
    started: float
    token: str = field(default="", repr=False)
    rejected: str = field(default="", repr=False)
    is_resent: bool = False

    def milliseconds_left(self) -> int:
        """Return what is left of the attempt's timeout."""
        return self.target.timeout_ms - round((time.monotonic() - self.started) * 1000)


class OAuthSender:
    """Add access tokens to the attempts of one drain."""

    def __init__(
        self, http: HttpSender, clock: Callable[[], float], obtain: Callable[..., BearerToken] = get_token_in_thread
    ) -> None:
        self._http = http
        self._clock = clock
        self._obtain = obtain
        self._pool: ThreadPoolExecutor | None = None
        self._known: dict[UUID, tuple[DeliveryTarget, BearerToken]] = {}
        self._requested: dict[UUID, Future[BearerToken]] = {}  # by endpoint; one that waits without, waits for a thread
        self._threads: dict[Future[BearerToken], UUID] = {}  # the running requests, and their tenants
        self._waiting: dict[UUID, list[tuple[InFlight, TokenAttempt]]] = {}
        self._in_flight: dict[UUID, TokenAttempt] = {}
        self._ended: list[tuple[InFlight, Outcome]] = []
        self._wake_up = WakeUp()
        self._readable = DefaultSelector()
        self._readable.register(http, EVENT_READ)
        self._readable.register(self._wake_up, EVENT_READ)

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> Request | TokenAttempt | NotSent:
        """Compose the request, or note that it is to be composed once there is a token."""
        if target.http is None or target.http.oauth is None:
            return self._http.prepare(claimed, target, now)
        return TokenAttempt(claimed, target, target.http.oauth, time.monotonic())

    def submit(self, attempts: Sequence[tuple[InFlight, Request | TokenAttempt]]) -> None:
        """Start the attempts that need no token or whose token is known; the others wait for theirs."""
        requests: list[tuple[InFlight, Request]] = []
        for in_flight, prepared in attempts:
            if isinstance(prepared, Request):
                requests.append((in_flight, prepared))
                continue
            known, bearer = self._known.get(prepared.target.endpoint_id, (None, None))
            if known is prepared.target and bearer is not None and bearer.is_fresh(time.time()):
                self._send(in_flight, prepared, bearer)
            else:
                self._wait(in_flight, prepared)
        if requests:
            self._http.submit(requests)
        if self._ended:
            self._wake_up.set()

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return what has ended; send what has its token by now, and what is to be sent once more."""
        results = self._http.take()
        if not (self._waiting or self._in_flight or self._ended):
            return results
        final = [(in_flight, outcome) for in_flight, outcome in results if not self._is_resent(in_flight, outcome)]
        self._wake_up.clear()
        self._serve_waiting()
        ended, self._ended = self._ended, []
        return final + ended

    def fileno(self) -> int:
        """Return a descriptor that is readable when an attempt has ended or a token request has."""
        return self._readable.fileno()

    def close(self) -> None:
        """Abandon what is in flight. Token requests that are running end by themselves."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._readable.close()
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

    def _wait(self, in_flight: InFlight, attempt: TokenAttempt, rejected: str = "") -> None:
        attempt.rejected = rejected
        endpoint_id = attempt.target.endpoint_id
        self._waiting.setdefault(endpoint_id, []).append((in_flight, attempt))
        known = self._requested.get(endpoint_id)
        if known is None or known.done():
            self._requested.pop(endpoint_id, None)
            self._request_token(attempt)

    def _request_token(self, attempt: TokenAttempt) -> None:
        """Start a thread that gets a token, if the tenant may have another thread."""
        target = attempt.target
        self._threads = {request: tenant for request, tenant in self._threads.items() if not request.done()}
        used = sum(tenant == target.tenant_id for tenant in self._threads.values())
        if used >= TOKEN_THREADS - len(self._threads):
            return
        self._pool = self._pool or ThreadPoolExecutor(TOKEN_THREADS, thread_name_prefix="token")
        request = self._pool.submit(self._obtain, target.endpoint_id, attempt.oauth, rejected=attempt.rejected or None)
        self._requested[target.endpoint_id] = request
        self._threads[request] = target.tenant_id
        request.add_done_callback(self._on_token_request_ended)

    def _on_token_request_ended(self, _request: Future[BearerToken]) -> None:
        self._wake_up.set()

    def _serve_waiting(self) -> None:
        for endpoint_id in list(self._waiting):
            request = self._requested.get(endpoint_id)
            if request is None:
                self._request_token(self._waiting[endpoint_id][0][1])
            elif request.done():
                del self._requested[endpoint_id]
                self._serve(self._waiting.pop(endpoint_id), request)
                continue
            self._time_out(endpoint_id)

    def _serve(self, attempts: list[tuple[InFlight, TokenAttempt]], request: Future[BearerToken]) -> None:
        try:
            bearer = request.result()
        except Exception as error:  # an error with one token server must not stop other endpoints
            if not isinstance(error, TokenRequestFailed):
                telemetry.token_request_failed(attempts[0][1].target.endpoint_id, error)
            for in_flight, _ in attempts:
                self._fail(in_flight, Failure.CREDENTIALS)
            return
        for in_flight, attempt in attempts:
            self._known[attempt.target.endpoint_id] = (attempt.target, bearer)
            self._send(in_flight, attempt, bearer)

    def _is_resent(self, in_flight: InFlight, outcome: Outcome) -> bool:
        """Return whether the attempt goes on with another token, after a 401."""
        attempt = self._in_flight.pop(in_flight.attempt_id, None)
        if attempt is None or outcome.status != UNAUTHORIZED:
            return False
        _, bearer = self._known.get(attempt.target.endpoint_id, (None, None))
        if bearer is not None and bearer.text == attempt.token:
            del self._known[attempt.target.endpoint_id]
        if attempt.is_resent or attempt.milliseconds_left() < MIN_RESEND_MS:
            return False
        attempt.is_resent = True
        self._wait(in_flight, attempt, rejected=attempt.token)
        return True

    def _time_out(self, endpoint_id: UUID) -> None:
        """End attempts that have waited too long. A token that comes later serves the endpoint's next attempts."""
        latest = time.monotonic() - TOKEN_WAIT
        for in_flight, attempt in self._waiting.pop(endpoint_id):
            if attempt.milliseconds_left() < MIN_RESEND_MS if attempt.is_resent else attempt.started < latest:
                self._fail(in_flight, Failure.CREDENTIALS)
            else:
                self._waiting.setdefault(endpoint_id, []).append((in_flight, attempt))

    def _fail(self, in_flight: InFlight, failure: Failure) -> None:
        self._ended.append((in_flight, Outcome(self._clock(), 0, failure=failure)))
