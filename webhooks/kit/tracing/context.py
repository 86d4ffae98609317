"""Read and write the trace context of W3C: ``traceparent``, version 00 (Trace Context, section 3.2)."""

import re
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags

HEADER = "traceparent"
_FORM = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")

incoming: ContextVar[str | None] = ContextVar("incoming_traceparent", default=None)
"""The trace context that came with the current request, or of the handler that runs."""


def valid(text: object) -> str | None:
    """Return a trace context that is well-formed; None for anything else, which is ignored as the standard says."""
    return text if isinstance(text, str) and _FORM.fullmatch(text) else None


def trace_id_of(traceparent: str | None) -> str:
    """Return the id of the trace; empty without one."""
    return traceparent[3:35] if traceparent else ""


def text_of(span: Span) -> str | None:
    """Return the trace context of a span; None if it is of no trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def parent_from(traceparent: str | None) -> Context | None:
    """Return the context of OpenTelemetry in which a span is a child of this one; None: it begins a trace."""
    found = _FORM.fullmatch(traceparent or "")
    if found is None:
        return None
    trace_id, span_id, flags = (int(it, 16) for it in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(NonRecordingSpan(context))
