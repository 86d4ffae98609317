"""Read the fields of cron expressions: minutes, hours, days, months, years.

Two dialects: the six fields of Amazon EventBridge, where Sunday is 1 and ``? L W #`` have a meaning, and the five
fields of a crontab, where Sunday is 0 or 7.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from delivery.schedules.expressions.errors import InvalidExpression

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIRST_YEAR, LAST_YEAR = 1970, 2199
DAYS_OF_WEEK = 7
MAX_DAYS = 31
MAX_FIFTH = 5  # a weekday occurs at most five times in a month

_NUMBER = re.compile(r"[0-9]{1,4}\Z")


@dataclass(frozen=True, slots=True)
class FieldRule:
    """The values that a field may have, their names, and an example for error messages."""

    name: str
    first: int
    last: int
    example: str
    names: Mapping[str, int] = field(default_factory=dict)
    wraps: bool = False  # whether a range may go past the last value, as FRI-MON


_MONTH_NAMES = {name: number for number, name in enumerate(MONTHS, start=1)}
MINUTES = FieldRule("minutes", 0, 59, "0/15")
HOURS = FieldRule("hours", 0, 23, "8-17")
DAY_OF_MONTH = FieldRule("day-of-month", 1, MAX_DAYS, "1,15 or L")
MONTH = FieldRule("month", 1, 12, "JAN-MAR", _MONTH_NAMES, wraps=True)
YEAR = FieldRule("year", FIRST_YEAR, LAST_YEAR, "2030-2032")
DAY_OF_WEEK = FieldRule(
    "day-of-week", 1, 7, "MON-FRI or 6#3", {name: number for number, name in enumerate(DAYS, start=1)}, wraps=True
)
CRONTAB_DAY_OF_WEEK = FieldRule(
    "day-of-week", 0, 7, "1-5", {name: number for number, name in enumerate(DAYS)}, wraps=True
)


def read_values(rule: FieldRule, text: str) -> frozenset[int]:
    """Return the values of a field: ``*``, numbers, names, ranges and steps, separated by commas."""
    return frozenset().union(*(_read_item(rule, item) for item in text.split(",")))


def _read_item(rule: FieldRule, item: str) -> frozenset[int]:
    span, slash, step_text = item.partition("/")
    step = _read_step(rule, item, step_text) if slash else 1
    if span == "*":
        first, last = rule.first, rule.last
    else:
        low, dash, high = span.partition("-")
        first = _read_value(rule, low, item)
        last = _read_value(rule, high, item) if dash else (rule.last if slash else first)
    if first <= last:
        return frozenset(range(first, last + 1, step))
    if not rule.wraps:
        raise _invalid(rule, item, f"the range ends before it begins; give {first}-{rule.last},{rule.first}-{last}")
    size = rule.last - rule.first + 1 if rule is not CRONTAB_DAY_OF_WEEK else DAYS_OF_WEEK
    values = range(first, last + size + 1, step)
    return frozenset((value - rule.first) % size + rule.first for value in values)


def _read_step(rule: FieldRule, item: str, text: str) -> int:
    if not _NUMBER.match(text) or int(text) == 0:
        raise _invalid(rule, item, "the step after / must be a number from 1")
    return int(text)


def _read_value(rule: FieldRule, text: str, item: str) -> int:
    if text.upper() in rule.names:
        return rule.names[text.upper()]
    if not _NUMBER.match(text):
        named = f", or {', '.join(rule.names)}" if rule.names else ""
        raise _invalid(rule, item, f"must be a number from {rule.first} to {rule.last}{named}")
    value = int(text)
    if not rule.first <= value <= rule.last:
        raise _invalid(rule, item, f"must be from {rule.first} to {rule.last}")
    return value


def _invalid(rule: FieldRule, item: str, reason: str) -> InvalidExpression:
    return InvalidExpression(f"The {rule.name} field has {item[:40]!r}: {reason}. Example: {rule.example}.")


# A selector returns the days of a month that it selects: of (days in the month, weekday of the first: 0 is Sunday).
Days = Callable[[int, int], frozenset[int]]


def read_days_of_month(text: str) -> Days:
    """Read the day-of-month field of EventBridge: values, ``L`` (last), ``L-2``, ``15W`` (nearest weekday), ``LW``."""
    return partial(_union, tuple(_read_day_of_month(item.upper()) for item in text.split(",")))


def _read_day_of_month(item: str) -> Days:
    if item in ("L", "LW"):
        return _last_weekday if item == "LW" else partial(_before_last, 0)
    if item.startswith("L-"):
        before = _read_value(FieldRule("day-of-month", 1, MAX_DAYS - 1, "L-3"), item[2:], item)
        return partial(_before_last, before)
    if item.endswith("W"):
        return partial(_nearest_weekday, _read_value(DAY_OF_MONTH, item[:-1], item))
    return partial(_fixed, _read_item(DAY_OF_MONTH, item))


def read_days_of_week(text: str) -> Days:
    """Read the day-of-week field of EventBridge: values, ``6L`` (last Friday), ``6#3`` (third Friday), ``L``."""
    return partial(_union, tuple(_read_day_of_week(item.upper()) for item in text.split(",")))


def _read_day_of_week(item: str) -> Days:
    day, hash_sign, number = item.partition("#")
    if hash_sign:
        which = _read_value(FieldRule("day-of-week", 1, MAX_FIFTH, "6#3"), number, item)
        return partial(_nth_of_week, _read_value(DAY_OF_WEEK, day, item) - 1, which)
    if item == "L":
        return partial(_of_week, frozenset({DAYS_OF_WEEK - 1}))
    if item.endswith("L"):
        return partial(_last_of_week, _read_value(DAY_OF_WEEK, item[:-1], item) - 1)
    return partial(_of_week, frozenset(value - 1 for value in _read_item(DAY_OF_WEEK, item)))


def crontab_days(days_of_month: str, days_of_week: str) -> Days:
    """Read both day fields of a crontab. If neither begins with ``*``, a day has to match only one of them."""
    of_month = partial(_fixed, read_values(DAY_OF_MONTH, days_of_month))
    values = read_values(CRONTAB_DAY_OF_WEEK, days_of_week)
    of_week = partial(_of_week, frozenset(value % DAYS_OF_WEEK for value in values))
    if days_of_month.startswith("*") or days_of_week.startswith("*"):
        return lambda length, first: of_month(length, first) & of_week(length, first)
    return partial(_union, (of_month, of_week))


def _union(parts: tuple[Days, ...], length: int, first: int) -> frozenset[int]:
    return frozenset().union(*(part(length, first) for part in parts))


def _fixed(days: frozenset[int], length: int, _first: int) -> frozenset[int]:
    return frozenset(day for day in days if day <= length)


def _before_last(before: int, length: int, _first: int) -> frozenset[int]:
    return frozenset({length - before} if length > before else ())


def _weekday(day: int, first: int) -> int:
    return (first + day - 1) % DAYS_OF_WEEK


def _last_weekday(length: int, first: int) -> frozenset[int]:
    return frozenset({max(day for day in range(1, length + 1) if 0 < _weekday(day, first) < DAYS_OF_WEEK - 1)})


def _nearest_weekday(day: int, length: int, first: int) -> frozenset[int]:
    """Select the weekday nearest to a day, in the same month."""
    if day > length:
        return frozenset()
    weekday = _weekday(day, first)
    if weekday == DAYS_OF_WEEK - 1:  # Saturday
        return frozenset({day - 1 if day > 1 else day + 2})
    if weekday == 0:  # Sunday
        return frozenset({day + 1 if day < length else day - 2})
    return frozenset({day})


def _of_week(weekdays: frozenset[int], length: int, first: int) -> frozenset[int]:
    return frozenset(day for day in range(1, length + 1) if _weekday(day, first) in weekdays)


def _nth_of_week(weekday: int, which: int, length: int, first: int) -> frozenset[int]:
    day = (weekday - first) % DAYS_OF_WEEK + 1 + DAYS_OF_WEEK * (which - 1)
    return frozenset({day} if day <= length else ())


def _last_of_week(weekday: int, length: int, first: int) -> frozenset[int]:
    return frozenset({max(_of_week(frozenset({weekday}), length, first))})
