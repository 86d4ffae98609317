"""Write requests to an evaluator, and its replies, as bytes: a header of fixed length and what follows.

A process that is ready sends READY once, before it reads its first request.
"""

import enum
import struct
from typing import NamedTuple

REQUEST = struct.Struct("!cdHII")  # operation, seconds of processor time, bytes of owner, expression and document
REPLY = struct.Struct("!cdI")  # outcome, seconds of processor time that it took, bytes of the content
READY = b"+"

MAX_RESULT = 8 * 1024**2  # bytes
MEMORY = 128 * 1024**2  # bytes that one evaluation may take, besides those of the process itself
IDLE_SECONDS = 300.0  # without a request, after which a process ends


class Operation(bytes, enum.Enum):
    """List what can be done with an expression."""

    CHECK = b"c"
    EVALUATE = b"e"


class Outcome(bytes, enum.Enum):
    """List how a request can end."""

    VALUE = b"v"  # the content is JSON
    TEXT = b"s"  # a string; the content is that string
    NOTHING = b"n"  # the expression has no value
    INVALID = b"i"  # it cannot be parsed; the content is the reason
    FAILED = b"f"  # it cannot be evaluated for this document; the content is the reason
    TOO_LONG = b"t"  # the processor time is over
    TOO_LARGE = b"m"  # the memory is not enough, or the result is larger than MAX_RESULT


class Reply(NamedTuple):
    """How a request ended. ``seconds``: of processor time that it took; 0 where it is not measured yet."""

    outcome: Outcome
    content: bytes = b""
    seconds: float = 0.0
