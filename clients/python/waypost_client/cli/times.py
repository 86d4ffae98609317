"""Read instants as people write them."""

import re
from datetime import UTC, datetime, timedelta

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGO = re.compile(r"(\d+)([smhdw])")


def instant(text: str | None) -> str | None:
    """Return an instant of RFC 3339: of ``2h``, two hours ago, or of one that is written so already."""
    found = AGO.fullmatch(text or "")
    if found is None:
        return text
    ago = timedelta(**{UNITS[found[2]]: int(found[1])})
    return (datetime.now(UTC) - ago).isoformat(timespec="seconds").replace("+00:00", "Z")
