"""Find out the time zone of the viewer of a page, which ``webhooks/zone.js`` stores in a cookie."""

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest

COOKIE = "waypost_zone"
UTC_ZONE = ZoneInfo("UTC")


def viewer_zone(request: HttpRequest) -> ZoneInfo:
    """Return the time zone that the viewer's browser reported; UTC if it did not, or reported none that is known."""
    name = request.COOKIES.get(COOKIE, "").replace("%2F", "/")
    return ZoneInfo(name) if name in available_timezones() else UTC_ZONE


def zone_label(zone: ZoneInfo, now: datetime) -> str:
    """Describe a zone as "Europe/Berlin (UTC+01:00)"; UTC as itself."""
    if zone.key == UTC_ZONE.key:
        return "UTC"
    offset = f"{now.astimezone(zone):%z}"
    return f"{zone.key} (UTC{offset[:3]}:{offset[3:]})"


def clock(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Write a moment for people: the time of day, with the date before it unless that is today's."""
    at = moment.astimezone(zone)
    today = now.astimezone(zone).date()
    if at.date() == today:
        return f"{at:%H:%M}"
    return f"{at:%-d %b %H:%M}" if at.year == today.year else f"{at:%-d %b %Y %H:%M}"
