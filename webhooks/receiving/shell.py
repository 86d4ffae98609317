"""Define what the steps of a message need of a web server: a way to wait, and to run what blocks."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Protocol, TypeVar

T = TypeVar("T")


class Shell(Protocol):
    """Wait, and run what blocks, in the way of one web server."""

    max_slow: int | None
    """Slow bodies of one source that may arrive at once; None where they occupy no thread."""

    async def wait(self, future: "Future[T]", /, seconds: float | None = None) -> T:
        """Return the result of a future, or raise its exception; TimeoutError after ``seconds``."""

    async def run(self, share: Hashable, work: Callable[[], T], /) -> T:
        """Return the result of work that blocks on files, done on behalf of a share. Raises ShareExceeded."""
