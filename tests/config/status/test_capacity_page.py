"""Check the admin's page Capacity, and its charts."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config.admin.capacity import charts
from config.status.status import cached_status
from delivery.models import LoadMinute
from tests.delivery.factories_load import make_drain_report, make_lane_behind
from tests.staff import staff
from webhooks.kit.charts.line_chart import HEIGHT, WIDTH, Chart

pytestmark = pytest.mark.django_db
PAGE = "admin:delivery_drainreport_changelist"


@pytest.fixture(autouse=True)
def fresh_status() -> None:
    cached_status.clear()


def make_minute(begins_at: datetime, **figures: float) -> LoadMinute:
    names = ("used", "waiting", "machine_cpu", "published_per_second", "settled_per_second", "seconds_behind", "due")
    return LoadMinute.objects.create(begins_at=begins_at, drains=1, **dict.fromkeys(names, 0) | figures)


def test_page_shows_the_decision_drains_and_endpoints_behind_with_links() -> None:
    make_drain_report(minute_load=1.0, load=1.0, turn_size=480, machine_cpu=0.9)
    lane = make_lane_behind(75)
    lane.endpoint.description = "<b>Acme</b>"
    lane.endpoint.save()
    make_minute(timezone.now() - timedelta(minutes=1), used=0.5)
    text = staff("view_drainreport").get(reverse(PAGE)).content.decode()
    assert "More capacity now" in text
    assert "Add a machine that runs delivery workers" in text
    assert "worker-1" in text
    assert reverse("admin:delivery_lane_change", args=[lane.pk]) in text
    assert "&lt;b&gt;Acme&lt;/b&gt;" in text
    assert "Last hour" in text
    assert re.search(r'<td class="wp-number">1 min \d+ s</td>', text)


def test_page_of_an_idle_platform_says_what_is_not_there() -> None:
    text = staff("view_drainreport").get(reverse(PAGE)).content.decode()
    for words in ("Enough capacity", "No drain has reported", "No delivery has been due", "No web process"):
        assert words in text


def test_page_without_permission_is_forbidden() -> None:
    assert staff().get(reverse(PAGE)).status_code == 403


def test_page_reloads_only_if_asked_to_and_takes_any_period() -> None:
    client = staff("view_drainreport")
    assert "Refresh" not in client.get(reverse(PAGE)).headers
    response = client.get(reverse(PAGE), {"period": "day", "live": ""})
    assert response["Refresh"] == "10"
    assert "Last day" in response.content.decode()
    assert client.get(reverse(PAGE), {"period": "\0"}).status_code == 200


def test_page_takes_no_more_queries_for_more_rows() -> None:
    client = staff("view_drainreport")

    def queries(rows: int) -> int:
        for _ in range(rows):
            make_lane_behind(60), make_drain_report(LoadMinute.objects.count())
            make_minute(timezone.now() - timedelta(minutes=1 + LoadMinute.objects.count()))
        cached_status.clear()
        with CaptureQueriesContext(connection) as taken:
            client.get(reverse(PAGE))
        return len(taken)

    assert queries(1) == queries(5) <= 16


def test_dashboard_links_to_the_page() -> None:
    client = staff("view_delivery", "view_drainreport")
    assert f'href="{reverse(PAGE)}"' in client.get(reverse("admin:index")).content.decode()


NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def charts_at_noon(name: str) -> list[Chart]:
    return charts(list(LoadMinute.objects.order_by("begins_at")), NOON, name, BERLIN)


def test_chart_spans_the_period_and_breaks_lines_where_minutes_are_missing() -> None:
    for back, used in ((59, 0), (58, 0.5), (0, 1)):
        make_minute(NOON - timedelta(minutes=back), used=used)
    drawn, *_ = charts_at_noon("hour")
    used = drawn.lines[0]
    first, second, last = (round(WIDTH * (place + 0.5) / 60, 1) for place in (0, 1, 59))
    assert used.paths == [
        f"M{first},{HEIGHT}.0 L{second},{HEIGHT / 2}",
        f"M{last - 1},0.0 L{last + 1},0.0",
    ]
    assert used.total == "100 %"
    assert [it.label for it in drawn.levels] == ["0 %", "50 %", "100 %"]
    assert [it.label for it in drawn.times] == ["13:01", "13:16", "13:31", "13:46"]
    assert drawn.hovers[1].title == "13:02 to 13:03: drains in use 50 %, database wait 0 %, processors 0 %"


def test_chart_of_a_day_shows_the_busiest_minute_of_five() -> None:
    for back, used in ((9, 0.2), (8, 0.7), (7, 0.1)):
        make_minute(NOON - timedelta(minutes=back), used=used)
    drawn, *_ = charts_at_noon("day")
    assert [it.title for it in drawn.hovers if "70 %" in it.title] == [
        "13:50 to 13:55: drains in use 70 %, database wait 0 %, processors 0 %"
    ]


def test_chart_of_higher_figures_grows() -> None:
    make_minute(NOON, seconds_behind=1_234.0)
    assert [it.label for it in charts_at_noon("hour")[2].levels] == ["0 s", "1,000 s", "2,000 s"]
