"""Open a connection whose further preparation may fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Closable(Protocol):
    """Something that has to be closed."""

    def close(self) -> None:
        """Close the connection."""


@contextmanager
def closed_on_failure(opened: Closable) -> Iterator[None]:
    """Close a connection if the block, which prepares it, fails."""
    try:
        yield
    except BaseException:
        opened.close()
        raise
