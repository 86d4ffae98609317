"""Write a duration in words."""

from datetime import timedelta

UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(period: timedelta) -> str:
    """Return the two largest units, such as "2 h 5 min"."""
    left = round(period.total_seconds())
    parts: list[str] = []
    for name, seconds in UNITS:
        count, left = divmod(left, seconds)
        if count or parts:
            parts.append(f"{count} {name}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "< 1 s"
