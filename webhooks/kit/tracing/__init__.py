"""Trace events through the platform by OpenTelemetry: spans of publishing, attempts, receiving and handling.

    context    the trace context of W3C (``traceparent``), and the one of the current request
    spans      spans of a finished or running step

Without WAYPOST_TRACES no span is made, and a trace context that came with an event is sent on as it is. The process
decides where the spans go (``config.traces``, or the project that these apps are installed in).
"""
