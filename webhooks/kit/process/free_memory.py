"""Return freed memory to the system: the C library keeps what lies between blocks that are in use."""

import ctypes

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc


def return_free_memory() -> None:
    """Return what is free. Takes milliseconds, so call it when there is nothing else to do."""
    if _TRIM is not None:
        _TRIM(0)
