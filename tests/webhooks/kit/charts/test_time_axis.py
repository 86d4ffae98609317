"""The periods of charts, in the zone of the viewer, over midnight and over clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from webhooks.kit.charts.time_axis import PERIODS, fine_axis, time_axis

BERLIN, KOLKATA, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")
NOON = datetime(2026, 5, 4, 12, 3, tzinfo=UTC)
SPRING = datetime(2026, 3, 30, 12, tzinfo=UTC)  # the day after Berlin's clocks went forward
AUTUMN = datetime(2026, 10, 26, 12, tzinfo=UTC)  # the day after they went back
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("zone", [BERLIN, KOLKATA, UTC_ZONE, ZoneInfo("America/St_Johns"), ZoneInfo("Pacific/Apia")])
@pytest.mark.parametrize("name", PERIODS)
@pytest.mark.parametrize("now", [NOON, SPRING, AUTUMN, datetime(2026, 3, 29, 0, 59, tzinfo=UTC)], ids=str)
def test_periods_ascend_and_the_last_contains_the_present(name: str, now: datetime, zone: ZoneInfo) -> None:
    axis = time_axis(name, now, zone)
    assert list(axis.edges) == sorted(set(axis.edges))
    assert list(axis.previous) == sorted(set(axis.previous))
    assert len(axis.previous) == len(axis.edges)
    assert axis.edges[-2] <= now < axis.edges[-1]
    assert axis.previous[-1] <= axis.edges[-1] - (axis.edges[-1] - axis.edges[0]) * 0.9
    if name != "hour":
        assert {edge.minute for edge in (*axis.edges, *axis.previous)} == {0}


def test_hour_has_periods_of_five_minutes() -> None:
    axis = time_axis("hour", NOON, BERLIN)
    assert axis.edges[0] == datetime(2026, 5, 4, 11, 5, tzinfo=UTC)
    assert len(axis.edges) == 13
    assert axis.previous[-1] == axis.edges[0]
    assert [tick.label for tick in axis.ticks] == ["13:15", "13:30", "13:45", "14:00"]


@pytest.mark.parametrize(
    ("now", "hours"), [(SPRING, 23), (AUTUMN, 25), (NOON, 24)], ids=["forward", "back", "no change"]
)
def test_day_of_a_clock_change_is_an_hour_shorter_or_longer(now: datetime, hours: int) -> None:
    axis = time_axis("month", now, BERLIN)
    yesterday = axis.edges[-2] - axis.edges[-3]
    assert yesterday == hours * HOUR
    assert {it.astimezone(BERLIN).hour for it in axis.edges} == {0}


def test_quarters_of_a_day_keep_their_clock_time_over_a_clock_change() -> None:
    axis = time_axis("week", SPRING, BERLIN)
    assert {it.astimezone(BERLIN).hour for it in axis.edges} == {0, 6, 12, 18}
    lengths = [(after - before) // HOUR for before, after in zip(axis.edges, axis.edges[1:], strict=False)]
    assert sorted(set(lengths)) == [5, 6]
    assert lengths.count(5) == 1


def test_event_at_midnight_belongs_to_the_new_day_of_the_viewer() -> None:
    axis = time_axis("month", NOON, BERLIN)
    assert axis.edges[-2] == datetime(2026, 5, 3, 22, tzinfo=UTC)  # midnight in Berlin
    assert time_axis("month", NOON, UTC_ZONE).edges[-2] == datetime(2026, 5, 4, tzinfo=UTC)


def test_day_of_a_zone_with_half_hours_begins_at_the_next_full_hour() -> None:
    assert time_axis("month", NOON, KOLKATA).edges[-2] == datetime(2026, 5, 3, 19, tzinfo=UTC)  # 0:30 in Kolkata


def test_labels_name_the_time_of_the_zone() -> None:
    assert time_axis("day", NOON, BERLIN).label(23) == "Mon 4 May 14:00 to 15:00"
    assert time_axis("month", NOON, BERLIN).label(29) == "Mon 4 May"
    assert time_axis("year", NOON, BERLIN).label(51) == "4 May 2026 to 10 May"


def test_week_before_is_compared_by_the_same_clock_times() -> None:
    axis = time_axis("week", SPRING, BERLIN)
    before = [it.astimezone(BERLIN) for it in axis.previous]
    now = [it.astimezone(BERLIN) for it in axis.edges]
    assert [(it.weekday(), it.hour) for it in before] == [(it.weekday(), it.hour) for it in now]


def test_fine_axis_has_a_period_for_each_step_up_to_the_present() -> None:
    axis = fine_axis(HOUR, timedelta(minutes=1), NOON, BERLIN)
    assert (len(axis.edges), axis.previous) == (61, [])
    assert axis.edges[-2] <= NOON < axis.edges[-1]
    assert [tick.label for tick in axis.ticks] == ["13:04", "13:19", "13:34", "13:49"]
    assert axis.label(0) == "13:04 to 13:05"
