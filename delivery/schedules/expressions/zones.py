"""Convert between instants and the local times of IANA time zones."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from delivery.schedules.expressions.errors import UnknownZone
from webhooks.wire.errors import did_you_mean


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Return the names of all zones, without those that mean the zone of the machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


@lru_cache(maxsize=1024)
def read_zone(name: str) -> ZoneInfo:
    """Return the zone with this name. Raises UnknownZone."""
    if name in zone_names():
        return ZoneInfo(name)
    meant = did_you_mean(name, zone_names()) or "give a name of the IANA database, such as Europe/Berlin"
    raise UnknownZone(f"Unknown time zone; {meant}.".replace("..", ".").replace("?.", "?"))


def local_time(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what clocks in the zone show at an instant, as a datetime without a zone."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def instant_of(local: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when clocks in the zone show this time: the first time if they do twice, None if they skip it."""
    instant = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return instant if local_time(instant, zone) == local else None
