"""Test which periodic tasks the schedule sends: those with work, each queue and each task now and then."""

import pytest
from django.db import connection

from config.schedule.plan import GAP, IDLE_AFTER, IDLE_TICK, KEEP_ALIVE, SAFETY, TICK, Schedule, periodic_tasks
from delivery.alerts.evaluate import HAS_DUE_RULES
from delivery.sql.due import HAS_DRAIN_WORK, become_resident, end_residence
from delivery.sql.figures.delivery_hours import HAS_HOURS_TO_COUNT
from delivery.sql.figures.usage_hours import HAS_HOURS_TO_PUBLISH
from webhooks.kit.periodic_task import PeriodicTask

OFTEN = PeriodicTask("often", 1.0, "one", "often has work")
RARE = PeriodicTask("rare", 10.0, "one", "rare has work")
ALWAYS = PeriodicTask("always", 5.0, "two")


class Work:
    """The conditions that hold, and those that were asked for."""

    def __init__(self, *holding: str) -> None:
        self.holding = set(holding)
        self.asked: list[str] = []
        self.is_away = False

    def __call__(self, conditions: list[str]) -> list[bool] | None:
        self.asked = conditions
        return None if self.is_away else [condition in self.holding for condition in conditions]


def names(due: list[PeriodicTask]) -> list[str]:
    return [task.name for task in due]


def test_due_skips_tasks_without_work_and_asks_again_at_each_tick() -> None:
    schedule, work = Schedule([OFTEN], 0.0), Work()
    assert names(schedule.due(1.0, work)) == []
    assert work.asked == ["often has work"]
    work.holding.add("often has work")
    assert names(schedule.due(2.0, work)) == ["often"]


def test_due_asks_for_a_task_without_work_once_in_its_period() -> None:
    schedule, work, asked = Schedule([RARE, OFTEN], 0.0), Work(), []
    for second in range(31):
        schedule.due(float(second), work)
        asked += [second] * ("rare has work" in work.asked)
    assert asked == [0, 10, 20, 30]


def test_look_that_was_late_keeps_no_task_from_the_next_one() -> None:
    schedule, work, asked = Schedule([OFTEN], 0.0), Work(), []
    for moment in (1.0, 2.3, 3.0, 4.4, 5.0):  # the next one is at a whole second again
        schedule.due(moment, work)
        asked += [moment] * ("often has work" in work.asked)
    assert asked == [1.0, 2.3, 3.0, 4.4, 5.0]


def test_due_asks_for_everything_after_a_gap() -> None:
    schedule, work = Schedule([RARE], 0.0), Work()
    schedule.due(0.0, work)
    schedule.due(2.0, work)
    assert work.asked == []
    schedule.due(2.0 + GAP + 0.1, work)
    assert work.asked == ["rare has work"]


def test_due_asks_for_everything_when_the_database_is_back() -> None:
    schedule, work = Schedule([RARE, OFTEN], 0.0), Work("often has work")
    schedule.due(0.0, work)
    work.is_away = True
    assert [schedule.due(float(second), work) for second in range(1, 7)] == [[]] * 6
    work.is_away = False
    assert names(schedule.due(7.0, work)) == ["often"]
    assert work.asked == ["rare has work", "often has work"]


def test_schedule_looks_less_often_while_no_task_that_runs_every_second_has_work() -> None:
    schedule, work = Schedule([RARE, OFTEN], 0.0), Work("often has work", "rare has work")
    schedule.due(IDLE_AFTER, work)
    work.holding = {"rare has work"}
    schedule.due(2 * IDLE_AFTER, work)
    assert schedule.seconds_between_looks(2 * IDLE_AFTER - 1) == TICK
    assert schedule.seconds_between_looks(2 * IDLE_AFTER) == IDLE_TICK
    work.holding = {"often has work"}
    schedule.due(3 * IDLE_AFTER, work)
    assert schedule.seconds_between_looks(3 * IDLE_AFTER) == TICK


def test_due_sends_a_task_with_work_once_in_its_period() -> None:
    schedule, work = Schedule([RARE], 0.0), Work("rare has work")
    sent = [second for second in range(31) if schedule.due(float(second), work)]
    assert sent == [0, 10, 20, 30]


def test_due_sends_a_task_without_condition_after_each_period() -> None:
    schedule = Schedule([ALWAYS], 0.0)
    assert [second for second in range(16) if schedule.due(float(second), Work())] == [0, 5, 10, 15]


def test_due_sends_tasks_without_condition_one_at_a_time() -> None:
    schedule = Schedule([ALWAYS, ALWAYS._replace(name="too")], 0.0)
    assert [names(schedule.due(float(second), Work())) for second in range(3)] == [["always"], ["too"], []]


def test_due_sends_every_queue_its_most_frequent_task_after_a_silence() -> None:
    schedule = Schedule([RARE, OFTEN], 0.0)
    sent = {second: names(schedule.due(float(second), Work())) for second in range(1, int(KEEP_ALIVE) * 2 + 1)}
    assert {second: due for second, due in sent.items() if due} == {KEEP_ALIVE: ["often"], 2 * KEEP_ALIVE: ["often"]}


def test_due_sends_every_task_after_the_safety_period_whatever_its_condition_says() -> None:
    schedule = Schedule([RARE, OFTEN], 0.0)
    sent = [names(schedule.due(float(second), Work())) for second in range(1, int(SAFETY) + 1)]
    assert sum("rare" in due for due in sent) == 1
    assert "rare" in sent[-1]


def test_due_sends_tasks_that_are_late_at_the_same_time_one_after_the_other() -> None:
    schedule = Schedule([RARE, RARE._replace(name="too"), RARE._replace(name="three")], 0.0)
    sent = [names(schedule.due(SAFETY + second, Work())) for second in range(3)]
    assert sorted(name for due in sent for name in due) == ["rare", "three", "too"]
    assert max(map(len, sent)) == 1


@pytest.mark.django_db
def test_conditions_of_all_tasks_are_one_statement() -> None:
    conditions = [task.has_work for task in periodic_tasks() if task.has_work]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(conditions)}")
        row = cursor.fetchone()
    found = dict(zip(conditions, row, strict=True))
    assert found.pop(HAS_DRAIN_WORK) is True  # no drain waits
    assert found.pop(HAS_DUE_RULES) is True  # the rules that are there from the start
    assert found.pop(HAS_HOURS_TO_COUNT) is True  # none was counted yet
    assert found.pop(HAS_HOURS_TO_PUBLISH) is True  # nor published
    assert not any(found.values())


def has_drain_work(other: object) -> bool:
    with other.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f"SELECT {HAS_DRAIN_WORK}")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_drains_have_no_work_while_one_is_resident_and_no_lane_is_due() -> None:
    other = connection.copy()
    try:
        assert has_drain_work(other)
        assert become_resident()
        assert become_resident()
        assert not has_drain_work(other)
        end_residence()
        assert has_drain_work(other)
    finally:
        end_residence()
        other.close()
