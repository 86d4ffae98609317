"""Create objects with threads or sockets at first use, once in each process, since neither survives a fork."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """Return the same object at each call in one process; a forked child (Celery's prefork pool) gets one of its own.

    For module constants: an instance is never collected, because it registers itself to be called after forks. The
    parent's object is kept in the child without being used, because its destructor would touch threads that are gone.
    """

    def __init__(self, create: Callable[[], T]) -> None:
        self._create = create
        self._lock = threading.Lock()
        self._objects: list[T] = []
        self._of_parents: list[list[T]] = []
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> T:
        """Return the object of this process."""
        if not self._objects:
            with self._lock:
                if not self._objects:
                    self._objects.append(self._create())
        return self._objects[0]

    def _forget(self) -> None:
        self._of_parents.append(self._objects)
        self._objects, self._lock = [], threading.Lock()
