"""Measure how busy a process is with publishing in groups, and report it every few seconds while it publishes."""

import os
import threading
import time

from delivery.load.machine import NAME, Processors
from delivery.sql.load.reports import PublisherReportRow, write_publisher_report
from webhooks.kit.process.per_process import PerProcess

REPORT_EVERY = 5.0  # seconds
FORGET_AFTER = 15.0  # seconds without a group, after which a new measurement begins


class PublisherMeter:
    """Add up what the writers of one process do; their threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began_at = self._counted_at = time.monotonic()
        self._requests = self._max_waiting = 0
        self._processors = Processors()

    def count(self, requests: int, waiting: int) -> bool:
        """Count a group of ``requests``, and how many waited for the next one. Return whether a report is due."""
        with self._lock:
            now = time.monotonic()
            if now - self._counted_at > FORGET_AFTER:
                self._processors.read()
                self._began_at, self._requests, self._max_waiting = now, 0, 0
            self._counted_at = now
            self._requests += requests
            self._max_waiting = max(self._max_waiting, waiting)
            return now - self._began_at >= REPORT_EVERY

    def report(self) -> None:
        """Write the report of the time since the last one, unless another thread has just done so."""
        with self._lock:
            now = time.monotonic()
            elapsed = now - self._began_at
            if elapsed < REPORT_EVERY:
                return
            cpu, machine_cpu = self._processors.read()
            row = PublisherReportRow(NAME, os.getpid(), cpu, machine_cpu, self._requests / elapsed, self._max_waiting)
            self._began_at, self._requests, self._max_waiting = now, 0, 0
        write_publisher_report(row)


publisher_meter = PerProcess(PublisherMeter)
