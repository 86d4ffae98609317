"""Expressions: read as documented, and equal to brute force over every minute in zones whose clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from delivery.schedules.expressions.errors import InvalidExpression, UnknownZone
from delivery.schedules.expressions.expression import Occurrences, read
from delivery.schedules.expressions.zones import read_zone

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def first(text, count, *, after=NOON, zone="UTC", **bounds):
    """Return the next occurrences as local times in the zone."""
    found = Occurrences(read(text), read_zone(zone), after, **bounds).after(after)
    return [it.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M") for it in islice(found, count)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 10 ? * MON-FRI *)", ["2026-03-02 10:00", "2026-03-03 10:00", "2026-03-04 10:00"]),
        ("cron(0 10 ? * 2-6 *)", ["2026-03-02 10:00", "2026-03-03 10:00", "2026-03-04 10:00"]),
        ("cron(15 12 * * ? *)", ["2026-03-01 12:15", "2026-03-02 12:15"]),
        ("cron(0 12 * * ? *)", ["2026-03-02 12:00"]),  # strictly later
        ("cron(0/20 8 1 * ? *)", ["2026-04-01 08:00", "2026-04-01 08:20", "2026-04-01 08:40", "2026-05-01 08:00"]),
        ("cron(0 18 L * ? *)", ["2026-03-31 18:00", "2026-04-30 18:00", "2026-05-31 18:00"]),
        ("cron(0 18 L-2 2 ? *)", ["2027-02-26 18:00", "2028-02-27 18:00"]),
        ("cron(0 9 LW * ? *)", ["2026-03-31 09:00", "2026-04-30 09:00", "2026-05-29 09:00"]),
        ("cron(0 9 15W * ? *)", ["2026-03-16 09:00", "2026-04-15 09:00", "2026-05-15 09:00"]),
        ("cron(0 9 1W 8 ? *)", ["2026-08-03 09:00"]),  # the 1st is a Saturday: not into July
        ("cron(0 9 31W 5 ? *)", ["2026-05-29 09:00"]),  # the 31st is a Sunday: not into June
        ("cron(0 9 ? * 6L *)", ["2026-03-27 09:00", "2026-04-24 09:00"]),
        ("cron(0 9 ? * L *)", ["2026-03-07 09:00", "2026-03-14 09:00"]),
        ("cron(0 9 ? * 3#2 *)", ["2026-03-10 09:00", "2026-04-14 09:00"]),
        ("cron(0 9 ? * MON#5 *)", ["2026-03-30 09:00", "2026-06-29 09:00"]),
        ("cron(0 9 ? NOV-FEB FRI-MON 2026,2027)", ["2026-11-01 09:00", "2026-11-02 09:00", "2026-11-06 09:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("cron(0 0 1 1 ? 2199)", ["2199-01-01 00:00"]),
        ("0 10 * * 1-5", ["2026-03-02 10:00", "2026-03-03 10:00"]),
        ("0 0 * * 7", ["2026-03-08 00:00"]),
        ("0 0 * * 0", ["2026-03-08 00:00"]),
        ("0 0 13 * FRI", ["2026-03-06 00:00", "2026-03-13 00:00", "2026-03-20 00:00"]),  # either field
        ("0 0 */2 * FRI", ["2026-03-13 00:00", "2026-03-27 00:00"]),  # both: the first begins with *
        ("*/30 1-2 * * *", ["2026-03-02 01:00", "2026-03-02 01:30", "2026-03-02 02:00", "2026-03-02 02:30"]),
        ("at(2026-12-24T18:00:00)", ["2026-12-24 18:00"]),
        ("2026-12-24T18:00:00+02:00", ["2026-12-24 16:00"]),
        ("rate(5 minutes)", ["2026-03-01 12:05", "2026-03-01 12:10"]),
        ("rate(1 day)", ["2026-03-02 12:00", "2026-03-03 12:00"]),
    ],
)
def test_expression_has_the_occurrences_of_its_form(text, expected):
    assert first(text, len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "Unknown expression"),
        ("every day", "Unknown expression"),
        ("cron(0 10 * * *)", "a crontab line of five fields is written without cron()"),
        ("cron(0 10 * * * *)", "must be ?"),
        ("cron(0 10 ? * ? *)", "must be ?"),
        ("cron(60 10 * * ? *)", "minutes field has '60'"),
        ("cron(0 24 * * ? *)", "hours field has '24'"),
        ("cron(0 22-2 * * ? *)", "give 22-23,0-2"),
        ("cron(0/0 1 * * ? *)", "step"),
        ("cron(0 1 32 * ? *)", "day-of-month field has '32'"),
        ("cron(0 1 99W * ? *)", "day-of-month field has '99W'"),
        ("cron(0 1 ? FOO MON *)", "month field has 'FOO'"),
        ("cron(0 1 ? * 0 *)", "day-of-week field has '0'"),
        ("cron(0 1 ? * 2#6 *)", "day-of-week field has '2#6'"),
        ("cron(0 1 ? * MON 1969)", "year field has '1969'"),
        ("cron(0,,1 1 ? * MON *)", "minutes field has ''"),
        ("0 0 ? * *", "? is written in cron(...)"),
        ("0 0 * * 8", "day-of-week field has '8'"),
        ("at(2026-02-30T00:00:00)", "There is no time 2026-02-30T00:00:00"),
        ("at(2026-12-24T18:00:00Z)", "without an offset"),
        ("at(9999-12-24T18:00:00)", "year"),
        ("0001-01-01T00:00:00+14:00", "There is no time"),
        ("rate(0 minutes)", "number from 1"),
        ("rate(5 weeks)", "minutes, hours or days"),
        ("rate(999999 days)", "at most 366 days"),
        ("x" * 300, "256"),
    ],
)
def test_wrong_expression_names_the_part_that_is_wrong(text, named):
    with pytest.raises(InvalidExpression) as caught:
        read(text)
    assert named in str(caught.value)


def test_unknown_zone_suggests_the_one_that_was_meant():
    with pytest.raises(UnknownZone, match="Europe/Berlin"):
        read_zone("Europe/Berlni")


@pytest.mark.parametrize("name", ["../etc/passwd", "", "Europe", "localtime", "\0", "europe/berlin"])
def test_name_of_no_zone_is_refused(name):
    with pytest.raises(UnknownZone):
        read_zone(name)


# The same by brute force: every minute of a few days, in which clocks change.

CHANGES = [
    ("Europe/Helsinki", datetime(2026, 3, 28, tzinfo=UTC)),  # 03:00 becomes 04:00
    ("Europe/Helsinki", datetime(2026, 10, 24, tzinfo=UTC)),  # 04:00 becomes 03:00
    ("Pacific/Apia", datetime(2011, 12, 28, tzinfo=UTC)),  # there is no 30 December
    ("Australia/Lord_Howe", datetime(2026, 4, 3, tzinfo=UTC)),  # 02:00 becomes 01:30
    ("Australia/Lord_Howe", datetime(2026, 10, 2, tzinfo=UTC)),  # 02:00 becomes 02:30
]
MATCHES = {
    "cron(* * * * ? *)": lambda _: True,
    "cron(0/15 * * * ? *)": lambda it: it.minute % 15 == 0,
    "cron(30 3 * * ? *)": lambda it: (it.hour, it.minute) == (3, 30),
    "cron(45 1,2 * * ? *)": lambda it: it.hour in (1, 2) and it.minute == 45,
    "cron(0 0 ? * FRI *)": lambda it: it.weekday() == 4 and (it.hour, it.minute) == (0, 0),
    "*/20 2-4 * * 6,0": lambda it: it.weekday() in (5, 6) and it.hour in (2, 3, 4) and it.minute % 20 == 0,
    "10 1 30 12 *": lambda it: (it.month, it.day, it.hour, it.minute) == (12, 30, 1, 10),
}
DAYS = 4


def by_brute_force(zone, start, matches):
    """Return the minutes whose local time matches and was not shown before."""
    shown, found = set(), []
    for number in range(-180, DAYS * 1440):
        instant = start + number * MINUTE
        local = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        if local not in shown and number > 0 and matches(local):
            found.append(instant)
        shown.add(local)
    return found


@pytest.mark.parametrize(("name", "start"), CHANGES)
@pytest.mark.parametrize("text", MATCHES)
def test_occurrences_equal_brute_force_where_clocks_change(text, name, start):
    zone = ZoneInfo(name)
    until = start + timedelta(days=DAYS)
    occurrences = Occurrences(read(text), zone, start, end_at=until - MINUTE)
    assert list(occurrences.after(start)) == by_brute_force(zone, start, MATCHES[text])


@pytest.mark.parametrize(("name", "start"), CHANGES)
def test_next_occurrence_is_the_same_from_every_minute(name, start):
    zone = ZoneInfo(name)
    occurrences = Occurrences(read("cron(0/10 * * * ? *)"), zone, start)
    expected = by_brute_force(zone, start, lambda it: it.minute % 10 == 0)
    place = 0
    for number in range(0, (DAYS - 1) * 1440, 7):
        instant = start + number * MINUTE
        while expected[place] <= instant:
            place += 1
        assert occurrences.next_after(instant) == expected[place]


@pytest.mark.parametrize("name", ["Europe/Helsinki"])
def test_one_time_in_a_skipped_hour_has_no_occurrence(name):
    assert first("at(2026-03-29T03:30:00)", 1, zone=name) == []
    assert first("at(2026-10-25T03:30:00)", 2, zone=name) == ["2026-10-25 03:30"]


def test_start_and_end_are_part_of_the_period():
    bounds = {"start_at": NOON + timedelta(days=1), "end_at": NOON + timedelta(days=2)}
    assert first("cron(0 12 * * ? *)", 9, **bounds) == ["2026-03-02 12:00", "2026-03-03 12:00"]
    assert first("rate(12 hours)", 9, **bounds) == ["2026-03-02 12:00", "2026-03-03 00:00", "2026-03-03 12:00"]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("cron(0,1 0 1 1 ? *)", 1),
        ("cron(59 23 * * ? *)", 1440),
        ("cron(0,59 * * * ? *)", 1),
        ("rate(2 hours)", 120),
        ("cron(0 0 1 * ? *)", 28 * 1440),
    ],
)
def test_shortest_interval_is_that_of_the_closest_occurrences(text, minutes):
    assert Occurrences(read(text), ZoneInfo("UTC"), NOON).shortest_interval(NOON) == timedelta(minutes=minutes)


def test_one_time_has_no_interval():
    assert Occurrences(read("at(2027-01-01T00:00:00)"), ZoneInfo("UTC"), NOON).shortest_interval(NOON) is None


@pytest.mark.parametrize("text", ["cron(* * * * ? *)", "cron(0 0 1 1 ? *)", "rate(7 minutes)", "cron(5 4 ? * SUN *)"])
def test_latest_occurrence_equals_a_walk_through_all(text):
    occurrences = Occurrences(read(text), ZoneInfo("Europe/Helsinki"), NOON)
    since = occurrences.next_after(NOON)
    for hours in (0, 1, 30, 24 * 8):
        until = since + timedelta(hours=hours, minutes=3)
        walked = since
        for it in occurrences.after(since):
            if it > until:
                break
            walked = it
        assert occurrences.latest_until(until, since) == walked
