"""Cache the results of a pure function of a text that a client sends, whose length nothing else limits.

Used for header names, hosts, addresses and ids of sources. A thousand header names of 30 KiB would take 30 MB.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

V = TypeVar("V")
MAX_LENGTH = 128  # characters; longer texts are no names that repeat


def short_text_cache(size: int) -> Callable[[Callable[[str], V]], Callable[[str], V]]:
    """Decorate a function so that its last ``size`` results for texts of at most ``MAX_LENGTH`` characters are kept."""

    def decorate(function: Callable[[str], V]) -> Callable[[str], V]:
        cached = lru_cache(maxsize=size)(function)

        @wraps(function)
        def call(text: str) -> V:
            return cached(text) if len(text) <= MAX_LENGTH else function(text)

        return call

    return decorate
