"""Start the export of spans in a process of the platform, if WAYPOST_TRACES is set, without loading it otherwise."""

from typing import Any

from celery.signals import worker_process_init
from django.conf import settings
from django.utils.module_loading import import_string

START = "config.traces.provider.start"


def start_traces(**_signal: Any) -> None:
    """Export the spans of this process from now on. Call it after the process was forked."""
    if settings.WAYPOST_TRACES:
        import_string(START)()


def connect_signals() -> None:
    """Start the export in each process of a worker."""
    worker_process_init.connect(start_traces, dispatch_uid="traces", weak=False)
