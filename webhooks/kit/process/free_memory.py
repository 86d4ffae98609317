"""Return memory to the system: what the C library keeps between blocks that are in use, and pages of files."""

import contextlib
import ctypes
import re
import sys
from pathlib import Path

_TRIM = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
_MAPS = Path("/proc/self/smaps")
_FILE = re.compile("([0-9a-f]+)-([0-9a-f]+) r-[-x]p [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ [1-9]")  # read-only, with an inode
_DONTNEED = 4  # MADV_DONTNEED of Linux


def return_free_memory() -> None:
    """Return what is free. Takes milliseconds, so call it when there is nothing else to do."""
    if _TRIM is not None:
        _TRIM(0)


def return_pages_of_files() -> None:
    """Return the pages of programs and libraries that this process has read; those that it needs are read again.

    They are those that no page was written in, such as by the dynamic loader. Takes 20 ms. On Linux only.
    """
    if sys.platform != "linux":
        return
    advise = ctypes.CDLL(None).madvise
    with contextlib.suppress(OSError):
        for begin, end in _unwritten(_MAPS.read_text()):
            advise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _DONTNEED)


def _unwritten(maps: str) -> list[tuple[int, int]]:
    """Return the addresses of the mappings of files that are read-only, and have no page of their own."""
    found, at = [], None
    for line in maps.splitlines():
        if line[0] in "0123456789abcdef":
            at = _FILE.match(line)
        elif at and re.fullmatch(r"Anonymous: +0 kB", line):
            found.append((int(at[1], 16), int(at[2], 16)))
    return found
