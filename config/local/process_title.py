"""Rewrite the command line and the family of a forked process, as `ps` and `find_family` read them.

A forked process has the arguments and the environment of its parent: the kernel and psutil read them from the memory
in which a program found them at its start. So they are overwritten there, never beyond their length.
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from config.local.process_guard import FAMILY

PADDING = "_" * 32  # behind a family that is to be rewritten: as long as the longest name of a child
TITLE_ROOM = "_" * 256  # an argument that makes room for the command line of a child
_ARGUMENTS_BEGIN, _ARGUMENTS_END = 47, 48  # fields of /proc/PID/stat, counted from 0
_STAT = Path("/proc/self/stat")


def set_family(value: str) -> None:
    """Overwrite the value of FAMILY that this process was started with, by one of the same length or less."""
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    address = libc.getenv(FAMILY.encode())
    room = len(ctypes.string_at(address)) if address else 0
    if len(value) <= room:
        ctypes.memmove(address, value.encode().ljust(room, b"_"), room)
    os.environ[FAMILY] = value


def set_title(words: Sequence[str]) -> None:
    """Overwrite the command line. Does nothing where there is no /proc, as on macOS.

    The last byte is not NUL: that has the kernel show the first string only, as for `setproctitle`.
    """
    if not _STAT.exists():
        return
    fields = _STAT.read_text().rpartition(")")[2].split()  # the second field, the name, may contain blanks
    begin, end = (int(fields[number - 2]) for number in (_ARGUMENTS_BEGIN, _ARGUMENTS_END))
    title = " ".join(words).encode()[: end - begin - 2]
    ctypes.memmove(begin, title.ljust(end - begin - 1, b"\0") + b".", end - begin)
