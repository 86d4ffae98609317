"""Find the full hour of a moment. Pure."""

from datetime import UTC, datetime


def full_hour(moment: datetime) -> datetime:
    """Return the full hour (UTC) that contains the moment."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
