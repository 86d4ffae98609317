"""Attempts that need a bearer token wait for it beside the hot path, and cost nobody else a moment.

A drain hands over what goes to endpoints with OAuth2. If the token is in memory, the request is sent at once. If
not, a thread gets one (see subscriptions.endpoints.oauth_tokens) while the drain goes on; what waits for it is then
sent, or ends as
a failure of that endpoint. An answer 401 means that the token is no longer good: it is replaced, and the request
is sent once more within the same attempt and its deadline.

Threads are few, and a tenant whose token servers hang may not have them all: it gets another one only while it has
fewer than are left. One tenant has half of them at most, the next one half of what is left, and so on.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from uuid import UUID

from delivery import telemetry
from delivery.transports.http.compose import NothingToSendWith, compose
from delivery.transports.http.exchange import Result
from delivery.transports.http.sender import Sender
from delivery.transports.in_flight import Sent
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.oauth_tokens import Bearer, NoToken, obtain_in_thread
from subscriptions.routing.routes import Target

__all__ = ["Bearers"]

FETCHERS = 64  # tokens asked for at once: a token server that hangs holds one of them for seconds
PATIENCE = 6.0  # seconds an attempt waits for a token: its claim outlives that together with its deadline
LOOK = 0.02  # seconds between two looks whether a token has come
SHORTEST = 1_000  # milliseconds that must be left of an attempt to send it once more
UNAUTHORIZED = 401


@dataclass(slots=True)
class _Attempt:
    sent: Sent
    target: Target
    since: float
    token: str = field(default="", repr=False)
    rejected: str = field(default="", repr=False)
    again: bool = False


class Bearers:
    """What one drain sends with tokens."""

    def __init__(self, sender: Sender, obtain: Callable[..., Bearer] = obtain_in_thread) -> None:
        self._sender = sender
        self._obtain = obtain
        self._pool: ThreadPoolExecutor | None = None
        self._known: dict[UUID, tuple[Target, Bearer]] = {}
        self._asked: dict[
            UUID, Future[Bearer]
        ] = {}  # by endpoint; one that waits and is not among them, waits its turn
        self._threads: dict[Future[Bearer], UUID] = {}  # those at work, and for which tenant
        self._waiting: dict[UUID, list[_Attempt]] = {}
        self._in_flight: dict[UUID, _Attempt] = {}
        self._ended: list[tuple[Sent, Outcome]] = []

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._in_flight or self._ended)

    @property
    def patience(self) -> float:
        """Seconds after which ``ended`` should be called."""
        return LOOK if self._waiting or self._ended else math.inf

    def send(self, sent: Sent, target: Target, timestamp: int) -> None:
        """Send it now, or as soon as there is a token."""
        attempt = _Attempt(sent, target, time.monotonic())
        known, bearer = self._known.get(target.endpoint_id, (None, None))
        if known is target and bearer is not None and bearer.is_fresh(time.time()):
            self._submit(attempt, bearer, timestamp)
        else:
            self._wait(attempt)

    def again(self, results: list[Result]) -> list[Result]:
        """The results that are final; the others wait for another token."""
        return [(request, outcome) for request, outcome in results if not self._tries_again(request.context, outcome)]

    def ended(self, timestamp: int) -> list[tuple[Sent, Outcome]]:
        """Send what has its token now. What became of those that will get none."""
        for endpoint_id in list(self._waiting):
            asked = self._asked.get(endpoint_id)
            if asked is None:
                self._ask(self._waiting[endpoint_id][0])
            elif asked.done():
                del self._asked[endpoint_id]
                self._serve(self._waiting.pop(endpoint_id), asked, timestamp)
                continue
            self._lose_patience(endpoint_id)
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _wait(self, attempt: _Attempt, rejected: str = "") -> None:
        attempt.rejected = rejected
        endpoint_id = attempt.target.endpoint_id
        self._waiting.setdefault(endpoint_id, []).append(attempt)
        known = self._asked.get(endpoint_id)
        if known is None or known.done():
            self._asked.pop(endpoint_id, None)
            self._ask(attempt)

    def _ask(self, attempt: _Attempt) -> None:
        """Have a thread get a token, if its tenant may have another one."""
        target = attempt.target
        self._threads = {asked: tenant for asked, tenant in self._threads.items() if not asked.done()}
        theirs = sum(tenant == target.tenant_id for tenant in self._threads.values())
        if theirs >= FETCHERS - len(self._threads):
            return
        self._pool = self._pool or ThreadPoolExecutor(FETCHERS, thread_name_prefix="token")
        asked = self._pool.submit(self._obtain, target.endpoint_id, target.oauth, rejected=attempt.rejected or None)
        self._asked[target.endpoint_id] = asked
        self._threads[asked] = target.tenant_id

    def _serve(self, attempts: list[_Attempt], asked: Future[Bearer], timestamp: int) -> None:
        try:
            bearer = asked.result()
        except Exception as error:  # whatever a token server brings about stays with its endpoint
            if not isinstance(error, NoToken):
                telemetry.token_failed(attempts[0].target.endpoint_id, error)
            for attempt in attempts:
                self._fail(attempt, Failure.CREDENTIALS)
            return
        for attempt in attempts:
            self._known[attempt.target.endpoint_id] = (attempt.target, bearer)
            self._submit(attempt, bearer, timestamp)

    def _submit(self, attempt: _Attempt, bearer: Bearer, timestamp: int) -> None:
        try:
            request = compose(attempt.sent.claimed, attempt.target, timestamp, attempt.sent, bearer.text)
        except NothingToSendWith as refusal:
            telemetry.not_sent(attempt.sent.claimed.id, refusal)
            self._fail(attempt, refusal.failure)
            return
        if attempt.again:
            request = replace(request, timeout_ms=max(_left(attempt), SHORTEST))
        attempt.token = bearer.text
        self._in_flight[attempt.sent.attempt_id] = attempt
        self._sender.submit([request])

    def _tries_again(self, sent: Sent, outcome: Outcome) -> bool:
        attempt = self._in_flight.pop(sent.attempt_id, None)
        if attempt is None or outcome.status != UNAUTHORIZED:
            return False
        _, bearer = self._known.get(attempt.target.endpoint_id, (None, None))
        if bearer is not None and bearer.text == attempt.token:
            del self._known[attempt.target.endpoint_id]
        if attempt.again or _left(attempt) < SHORTEST:
            return False
        attempt.again = True
        self._wait(attempt, rejected=attempt.token)
        return True

    def _lose_patience(self, endpoint_id: UUID) -> None:
        """The thread may still be at it; whoever comes next for this endpoint finds what it has got."""
        latest = time.monotonic() - PATIENCE
        attempts = self._waiting.pop(endpoint_id)
        for attempt in attempts:
            if _left(attempt) < SHORTEST if attempt.again else attempt.since < latest:
                self._fail(attempt, Failure.CREDENTIALS)
            else:
                self._waiting.setdefault(endpoint_id, []).append(attempt)

    def _fail(self, attempt: _Attempt, failure: Failure) -> None:
        self._ended.append((attempt.sent, Outcome(time.time(), 0, failure=failure)))


def _left(attempt: _Attempt) -> int:
    """Milliseconds of its deadline."""
    return attempt.target.timeout_ms - round((time.monotonic() - attempt.since) * 1000)
