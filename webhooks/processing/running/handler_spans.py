"""Make a span for each run of a receipt's handlers, in the trace that its request named."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span

from webhooks.kit.tracing.context import HEADER, incoming, text_of, valid
from webhooks.kit.tracing.spans import CONSUMER, Switch, end, start
from webhooks.models import Receipt
from webhooks.wire.ids import public


def traceparent_of(receipt: Receipt) -> str | None:
    """Return the trace context that a message came with."""
    found = (value for name, value in receipt.headers.items() if name.lower() == HEADER)
    return valid(next(found, None))


@contextmanager
def handling(receipt: Receipt) -> Iterator[list[str]]:
    """Have what the handlers of a receipt publish join its trace. Yields a list for the class of their error."""
    parent, errors = traceparent_of(receipt), list[str]()
    span = _start(receipt, parent, time.time()) if Switch.is_on else None
    token = incoming.set(parent if span is None else text_of(span))
    try:
        yield errors
    finally:
        incoming.reset(token)
        if span is not None:
            end(span, (), error=errors[0] if errors else "")


def record_handled(receipt: Receipt, seconds: float, error: Exception | None) -> None:
    """Make the span of a run that has just ended, if spans are made. ``seconds``: how long it took."""
    if Switch.is_on:
        span = _start(receipt, traceparent_of(receipt), time.time() - seconds)
        end(span, (), error="" if error is None else type(error).__name__)


def _start(receipt: Receipt, parent: str | None, began: float) -> Span:
    about = {
        "waypost.source": public("src", receipt.source_id),
        "waypost.receipt": public("rcp", receipt.pk),
        "waypost.attempt": receipt.attempts + 1,
    }
    return start("handle", parent, CONSUMER, about, began=began)
