"""Keep the evaluator processes of this process: started when they are needed, at most MAX_EVALUATORS.

    evaluate       waits for a free one: workers, and requests that check or try an expression
    evaluate_now   does not wait: requests that publish, which leave the event to a worker instead

One that does not reply, or ends, is replaced. If the expression has exceeded a limit, that is an Outcome; if the
machine is too busy, EvaluatorUnavailable is raised.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from webhooks.kit.jsonata.evaluator import KILLED_BY_TIMER, Evaluator, NoReply, Request
from webhooks.kit.jsonata.frames import Outcome, Reply
from webhooks.kit.process.per_process import PerProcess

MAX_EVALUATORS = 2  # of one process
PLACE_SECONDS = 2.0  # that a caller waits for a free evaluator
START_SECONDS = 10.0  # that a new process may take to start
REPLY_SECONDS = 10.0  # of a clock; the processor time is limited in the evaluator itself
REPLY_SECONDS_NOW = 0.3  # the same for ``evaluate_now``
ENDED_BY_EXPRESSION = {KILLED_BY_TIMER: Outcome.TOO_LONG, -signal.SIGSEGV: Outcome.TOO_LARGE}


class EvaluatorUnavailable(Exception):
    """No evaluator is free, or the machine is too busy for one; later it may not be."""


class Evaluators:
    """The evaluators of this process."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(MAX_EVALUATORS)
        self._lock = threading.Lock()
        self._idle: list[Evaluator] = []

    def evaluate(self, request: Request) -> Reply:
        """Return the reply to a request. Raises EvaluatorUnavailable."""
        with self._place(PLACE_SECONDS):
            evaluator = self._take()
            if not self._ready(evaluator, START_SECONDS):
                raise EvaluatorUnavailable("the evaluator of expressions does not start")
            return self._ask(evaluator, request, REPLY_SECONDS)

    def evaluate_now(self, request: Request) -> Reply:
        """Return the reply to a request, if an evaluator is free now. Raises EvaluatorUnavailable."""
        with self._place(0):
            evaluator = self._take()
            if not self._ready(evaluator, 0):
                raise EvaluatorUnavailable("the evaluator of expressions is not started yet")
            return self._ask(evaluator, request, REPLY_SECONDS_NOW)

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for evaluator in idle:
            evaluator.close()

    @contextmanager
    def _place(self, seconds: float) -> Iterator[None]:
        is_free = self._places.acquire(timeout=seconds) if seconds else self._places.acquire(blocking=False)
        if not is_free:
            raise EvaluatorUnavailable("all evaluators of expressions are busy")
        try:
            yield
        finally:
            self._places.release()

    def _take(self) -> Evaluator:
        while True:
            with self._lock:
                if not self._idle:
                    break
                evaluator = self._idle.pop()
            if not evaluator.has_ended:
                return evaluator
            evaluator.close()
        return Evaluator()

    def _keep(self, evaluator: Evaluator) -> None:
        with self._lock:
            self._idle.append(evaluator)

    def _ready(self, evaluator: Evaluator, seconds: float) -> bool:
        """Return whether it can take a request; one that still starts is kept for a later request."""
        try:
            is_ready = evaluator.is_ready(seconds)
        except NoReply:
            evaluator.close()
            return False
        if not is_ready:
            self._keep(evaluator)
        return is_ready

    def _ask(self, evaluator: Evaluator, request: Request, seconds: float) -> Reply:
        until = time.monotonic() + seconds
        try:
            reply = evaluator.ask(request, seconds)
        except NoReply as error:
            evaluator.close()
            if error.code in ENDED_BY_EXPRESSION:
                return Reply(ENDED_BY_EXPRESSION[error.code], seconds=request.seconds)
            if evaluator.has_served and error.code == 0:  # it ended because it was idle
                return self._ask_new(request, until)
            raise EvaluatorUnavailable(f"the evaluator of expressions: {error}") from error
        except BaseException:
            evaluator.close()
            raise
        if reply.outcome is Outcome.TOO_LARGE:
            evaluator.close()
        else:
            self._keep(evaluator)
        return reply

    def _ask_new(self, request: Request, until: float) -> Reply:
        evaluator = Evaluator()
        if not self._ready(evaluator, until - time.monotonic()):
            raise EvaluatorUnavailable("the evaluator of expressions is not started yet")
        return self._ask(evaluator, request, max(until - time.monotonic(), 0))


evaluators = PerProcess(Evaluators)
