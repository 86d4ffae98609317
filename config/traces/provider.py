"""Set the provider of OpenTelemetry that samples spans and exports them over OTLP (HTTP, protobuf).

The exporter is configured by the variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT. It has a thread, so
each process of the platform starts its own after it was forked.
"""

import os
import socket

from django.conf import settings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from config.local.process_guard import own_name
from webhooks.version import VERSION


def provider(program: str) -> TracerProvider:
    """Return a provider with the settings of this process."""
    resource = Resource.create(
        {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "waypost"),
            "service.version": VERSION,
            "service.instance.id": f"{socket.gethostname()}:{program}:{os.getpid()}",
        }
    )
    found = TracerProvider(sampler=ParentBased(TraceIdRatioBased(settings.WAYPOST_TRACES)), resource=resource)
    found.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return found


def start() -> None:
    """Export the spans of this process from now on."""
    trace.set_tracer_provider(provider(own_name("")))
