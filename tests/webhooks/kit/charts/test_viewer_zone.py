"""The time zone of the viewer, and times in it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import RequestFactory

from webhooks.kit.charts.viewer_zone import clock, viewer_zone, zone_label

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cookie", "key"),
    [
        ("Europe%2FBerlin", "Europe/Berlin"),
        ("Asia/Kolkata", "Asia/Kolkata"),
        ("", "UTC"),
        ("../../etc/passwd", "UTC"),
        ("Mars", "UTC"),
    ],
)
def test_zone_is_that_of_the_cookie_if_it_exists(cookie: str, key: str) -> None:
    request = RequestFactory().get("/")
    request.COOKIES["waypost_zone"] = cookie
    assert viewer_zone(request).key == key


def test_zone_is_described_by_its_present_offset() -> None:
    assert zone_label(BERLIN, NOON) == "Europe/Berlin (UTC+02:00)"
    assert zone_label(BERLIN, NOON - timedelta(days=120)) == "Europe/Berlin (UTC+01:00)"
    assert zone_label(ZoneInfo("UTC"), NOON) == "UTC"


def test_time_has_its_date_unless_it_is_of_today_in_the_zone() -> None:
    assert clock(NOON - timedelta(hours=2), BERLIN, NOON) == "12:00"
    assert clock(datetime(2026, 5, 3, 22, 30, tzinfo=UTC), BERLIN, NOON) == "00:30"
    assert clock(datetime(2026, 5, 3, 21, 30, tzinfo=UTC), BERLIN, NOON) == "3 May 23:30"
    assert clock(datetime(2025, 5, 3, 21, 30, tzinfo=UTC), BERLIN, NOON) == "3 May 2025 23:30"
