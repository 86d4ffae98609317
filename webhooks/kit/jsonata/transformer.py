"""Render a body by a JSONata expression: ``{"jsonata": "{'id': data.order.id}"}`` in the place of a template.

The expression reads the whole event. A string is sent as it is, unless the content type says JSON; any other value is
sent as JSON. If the machine is too busy for an evaluation, EvaluatorUnavailable is raised, and the caller tries again:
that is no failure of the event.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from webhooks.kit.jsonata.evaluator import Request
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable, evaluators
from webhooks.kit.jsonata.frames import MAX_RESULT, Operation, Outcome, Reply
from webhooks.wire.json_numbers import raw
from webhooks.wire.media_types import is_content_type
from webhooks.wire.step_budget import UNLIMITED, BudgetExceeded, StepBudget
from webhooks.wire.transform import InvalidTransformer, Unrenderable

MEMBERS = frozenset({"jsonata", "content_type"})
MAX_EXPRESSION = 16_384  # characters
MAX_SECONDS = 0.1  # of processor time, for one event
STEPS_PER_SECOND = 10_000_000  # of a budget
LEAST_SECONDS = 0.001  # that an evaluation is worth; with less the budget is exceeded before
STEPS_PER_REQUEST = 1_000  # of exchanging a request and a reply
STEPS_PER_START = 1_000_000  # of a new process in the place of one whose memory was exceeded
BYTES_PER_STEP = 5  # of the event, written as JSON here and parsed there

LIMITS = {
    Outcome.TOO_LONG: f"the expression takes more than {MAX_SECONDS * 1000:.0f} ms of processor time",
    Outcome.TOO_LARGE: f"the expression takes too much memory, or its result has more than {MAX_RESULT} bytes",
    Outcome.NOTHING: "the expression has no value for this event",
}


class JsonataTransformer:
    """An expression that makes a body. Constructing one does not check the expression (``check_expression``).

    ``content_type``: of what it renders; None: it follows from that. ``owner``: whose it is. Raises InvalidTransformer.
    """

    __slots__ = ("_expression", "_is_json", "_owner", "content_type")

    def __init__(self, expression: str, content_type: str | None = None, owner: object = None) -> None:
        if not isinstance(expression, str) or not 0 < len(expression.strip()) <= len(expression) <= MAX_EXPRESSION:
            raise InvalidTransformer("/jsonata", f"takes an expression of 1 to {MAX_EXPRESSION} characters")
        if content_type is not None and not is_content_type(content_type):
            raise InvalidTransformer("/content_type", "takes a media type, like text/csv; charset=utf-8")
        self.content_type = content_type
        self._expression, self._owner = expression, str(owner or "")
        self._is_json = _is_json(content_type)

    def render(self, event: Mapping[str, Any], budget: StepBudget | None = None) -> bytes:
        """Render the body for this event, in UTF-8. Raises Unrenderable, BudgetExceeded and EvaluatorUnavailable."""
        budget = UNLIMITED if budget is None else budget
        try:
            document = orjson.dumps(event, default=raw)
        except orjson.JSONEncodeError:
            raise Unrenderable("the event is nested too deeply for an expression") from None
        budget.spend(STEPS_PER_REQUEST + len(document) // BYTES_PER_STEP)
        seconds = min(MAX_SECONDS, budget.remaining / STEPS_PER_SECOND)
        if seconds < LEAST_SECONDS:
            raise BudgetExceeded
        reply = self._evaluated(Request(Operation.EVALUATE, self._expression, self._owner, document, seconds), budget)
        if reply.outcome is Outcome.TOO_LONG and seconds < MAX_SECONDS:
            budget.remaining = min(budget.remaining, 0)
            raise BudgetExceeded
        budget.spend(int(reply.seconds * STEPS_PER_SECOND))
        if reply.outcome is Outcome.TOO_LARGE:
            budget.spend(STEPS_PER_START)
        return self._body(reply)

    def _evaluated(self, request: Request, budget: StepBudget) -> Reply:
        if budget.can_wait:
            return evaluators().evaluate(request)
        try:
            return evaluators().evaluate_now(request)
        except EvaluatorUnavailable:
            raise BudgetExceeded from None

    def _body(self, reply: Reply) -> bytes:
        match reply.outcome:
            case Outcome.VALUE:
                return reply.content
            case Outcome.TEXT:
                return orjson.dumps(reply.content.decode()) if self._is_json else reply.content
            case Outcome.FAILED:
                raise Unrenderable(reply.content.decode())
        raise Unrenderable(LIMITS[reply.outcome])


def check_expression(expression: str) -> None:
    """Raise InvalidTransformer if this expression cannot be parsed, and EvaluatorUnavailable."""
    reply = evaluators().evaluate(Request(Operation.CHECK, expression, seconds=MAX_SECONDS))
    if reply.outcome is Outcome.INVALID:
        raise InvalidTransformer("/jsonata", reply.content.decode())
    if reply.outcome is not Outcome.NOTHING:
        raise InvalidTransformer("/jsonata", "takes too much time or memory to be parsed; write a shorter expression")


def _is_json(content_type: str | None) -> bool:
    essence = (content_type or "").partition(";")[0].strip().lower()
    return essence.endswith(("/json", "+json"))
