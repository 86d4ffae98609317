"""The word "stop", heard by every process of a worker: set in its parent on SIGTERM, read by the drains it forked."""

import multiprocessing

__all__ = ["is_stopping", "request_stop"]

_stopping = multiprocessing.get_context("fork").Event()


def request_stop() -> None:
    _stopping.set()


def is_stopping() -> bool:
    return _stopping.is_set()
