"""Check the time that a sender signed. All schemes and Standard Webhooks use this one rule.

A proof that is older than the tolerance is a replay, or a delay that the sender has given up on. A proof that lies
further ahead than the tolerance could be replayed until it has become old, so it is refused too.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate, parsedate_to_datetime

from webhooks.wire.errors import MalformedHeader, StaleTimestamp

TOLERANCE = 300  # seconds, as in the reference libraries
_DIGITS = re.compile(r"[0-9]{1,16}")
_NUMBER = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,9})?")
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6})\d{0,9})?)?(Z|[+-]\d\d(?::?\d\d)?)", re.ASCII
)
_HTTP = re.compile(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|UTC|[+-]\d{4})", re.ASCII)
_UNITS = {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}  # per second
_FIRST_MS = 10**11  # the year 5138 in seconds, March 1973 in milliseconds
FORMATS = (*_UNITS, "s_or_ms", "iso", "http")
"""How senders write a time.

As a number since 1970, also with a fraction, with ``s_or_ms`` in the unit that its size shows; as ISO 8601 with a zone,
in its extended or its basic form; or as a date of HTTP or of mail (RFC 9110, section 5.6.7; RFC 5322, section 3.3).
"""


def check_moment(seconds: float, *, now: float, tolerance: float, repeated_for: float = 0.0) -> None:
    """Check that a signed moment is at most ``tolerance`` seconds before or after ``now``, inclusive.

    ``seconds`` and ``now`` are Unix seconds. A sender that repeats a message with its first timestamp does so for
    ``repeated_for`` seconds: the moment may be that old. Raises StaleTimestamp.
    """
    oldest = max(tolerance, repeated_for)
    if not now - oldest <= seconds <= now + tolerance:
        raise StaleTimestamp(f"{seconds - now:+.0f} s from now, {-oldest:g} to +{tolerance:g} s allowed")


def check_timestamp(header: str, value: str, *, now: float, tolerance: float) -> None:
    """Check the Unix time in a header. Raises MalformedHeader for anything but digits, StaleTimestamp."""
    if not _DIGITS.fullmatch(value):
        raise MalformedHeader(header)
    check_moment(int(value), now=now, tolerance=tolerance)


def read(place: str, value: str, form: str) -> float:
    """Return the Unix seconds of a time in one of the FORMATS. Raises MalformedHeader; ``place`` is named then."""
    if form in _UNITS or form == "s_or_ms":
        if not _NUMBER.fullmatch(value):
            raise MalformedHeader(place)
        number = float(value)
        return number / (_UNITS.get(form) or (1000 if number >= _FIRST_MS else 1))
    try:
        if form == "http" and _HTTP.fullmatch(value):
            return parsedate_to_datetime(value).timestamp()
        if form == "iso" and (parts := _ISO.fullmatch(value.upper())):
            return _from_iso(*parts.groups(default="0"))
    except (ValueError, OverflowError):
        pass
    raise MalformedHeader(place)


def _from_iso(year: str, month: str, day: str, hour: str, minute: str, second: str, fraction: str, zone: str) -> float:
    """Return the Unix seconds of a time. Raises ValueError for one that the calendar or the clock does not have."""
    digits = "0000" if zone == "Z" else zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if zone[0] == "-" else 1)
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset))
    return moment.timestamp() + int(fraction.ljust(6, "0")) / 1_000_000


def write(seconds: int, form: str) -> str:
    """Return a time in one of the FORMATS."""
    if form in _UNITS or form == "s_or_ms":
        return str(seconds * _UNITS.get(form, 1))
    if form == "http":
        return formatdate(seconds, usegmt=True)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
