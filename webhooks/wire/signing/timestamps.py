"""Check the time that a sender signed. All schemes and Standard Webhooks use this one rule.

A proof that is older than the tolerance is a replay, or a delay that the sender has given up on. A proof that lies
further ahead than the tolerance could be replayed until it has become old, so it is refused too.
"""

import re

from webhooks.wire.errors import MalformedHeader, StaleTimestamp

TOLERANCE = 300  # seconds, as in the reference libraries
_DIGITS = re.compile(r"[0-9]{1,15}")


def check_moment(seconds: float, *, now: float, tolerance: float, repeated_for: float = 0.0) -> None:
    """Check that a signed moment is at most ``tolerance`` seconds before or after ``now``, inclusive.

    ``seconds`` and ``now`` are Unix seconds. A sender that repeats a message with its first timestamp does so for
    ``repeated_for`` seconds: the moment may be that old. Raises StaleTimestamp.
    """
    oldest = max(tolerance, repeated_for)
    if not now - oldest <= seconds <= now + tolerance:
        raise StaleTimestamp(f"{seconds - now:+.0f} s from now, {-oldest:g} to +{tolerance:g} s allowed")


def check_timestamp(header: str, value: str, *, now: float, tolerance: float, units_per_second: int = 1) -> None:
    """Check the Unix time in a header. Raises MalformedHeader for anything but digits, StaleTimestamp."""
    if not _DIGITS.fullmatch(value):
        raise MalformedHeader(header)
    check_moment(int(value) / units_per_second, now=now, tolerance=tolerance)
