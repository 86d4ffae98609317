"""Make spans: of a step that begins now, and of the parts of one, when their times are known."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from webhooks.kit.tracing.context import parent_from
from webhooks.version import VERSION

SECOND = 1_000_000_000  # in nanoseconds, in which OpenTelemetry counts
Attributes = Mapping[str, Any]  # text, numbers or booleans
PRODUCER, CLIENT, SERVER, CONSUMER = SpanKind.PRODUCER, SpanKind.CLIENT, SpanKind.SERVER, SpanKind.CONSUMER


class Switch:
    """Say whether spans are made in this process, and by which tracer. Code that runs for each event asks first."""

    is_on = False
    tracer = trace.get_tracer("waypost", VERSION)


class Stage(NamedTuple):
    """A part of a step: its name, and when it began and ended, in unix seconds."""

    name: str
    began: float
    ended: float


_gathering = threading.local()
_NO_STAGE: AbstractContextManager[None] = nullcontext()


def start(name: str, parent: str | None, kind: SpanKind, attributes: Attributes, *, began: float | None = None) -> Span:
    """Start a span as a child of a trace context, or of none; ``began``: unix seconds."""
    when = None if began is None else int(began * SECOND)
    context = parent_from(parent) or contexts.Context()
    return Switch.tracer.start_span(name, context, kind, attributes, start_time=when)


def end(span: Span, stages: Sequence[Stage], *, error: str = "", ended: float | None = None) -> None:
    """End a span with these parts. ``error``: the class of a failure; empty: none.

    Times are read at several places, and clocks are set: a part that would begin before the span begins with it, and
    one that would end before it began has no length.
    """
    first = getattr(span, "start_time", None) or 0
    if stages and span.is_recording():
        inside = trace.set_span_in_context(span)
        for stage in stages:
            began = max(int(stage.began * SECOND), first)
            part = Switch.tracer.start_span(stage.name, inside, start_time=began)
            part.end(max(int(stage.ended * SECOND), began))
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR, error))
    span.end(max(time.time_ns() if ended is None else int(ended * SECOND), first))


@contextmanager
def gathering() -> Iterator[list[Stage]]:
    """Gather the stages that this thread passes meanwhile."""
    before = getattr(_gathering, "stages", None)
    found: list[Stage] = []
    _gathering.stages = found
    try:
        yield found
    finally:
        _gathering.stages = before


def stage(name: str) -> AbstractContextManager[None]:
    """Record a part of the step whose stages are gathered; costs nothing if none are."""
    return _timed(name) if Switch.is_on else _NO_STAGE


class Marks:
    """Gather the stages of a step that awaits: each ends where it is marked, and begins where the one before ended."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._at = time.time()

    def mark(self, name: str) -> None:
        """End a stage."""
        began, self._at = self._at, time.time()
        self.stages.append(Stage(name, began, self._at))


@contextmanager
def _timed(name: str) -> Iterator[None]:
    stages: list[Stage] | None = getattr(_gathering, "stages", None)
    began = time.time()
    try:
        yield
    finally:
        if stages is not None:
            stages.append(Stage(name, began, time.time()))
