"""Handle receipts as tenants' own code does, well and badly; the platform under test lists these functions."""

import os
import time
from typing import Any


def quick(receipt: Any) -> None:
    """Do nothing."""


def sleep(receipt: Any) -> None:
    """Take eight seconds."""
    time.sleep(8)


def spin(receipt: Any) -> None:
    """Compute for two seconds."""
    until = time.thread_time() + 2
    while time.thread_time() < until:
        pass


def crash(receipt: Any) -> None:
    """End the worker process."""
    os._exit(1)


def fail(receipt: Any) -> None:
    """Raise an exception."""
    raise RuntimeError("this handler always fails")
