"""Test that the checker finds every kind of violation: each case falsifies one thing in records that agree."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.checker import ExpectedDelivery, Report, check
from tests.faults.publisher import PublishLog, PublishRequest
from tests.faults.sink import RecordedRequest
from tests.faults.topic import TopicRecord, check_topic


@dataclass
class Records:
    """The three records of one event, delivered once."""

    log: PublishLog
    requests: list[RecordedRequest]
    tables: list[ExpectedDelivery]

    def check(self, copies_allowed: int = 0) -> Report:
        return check(self.log, self.requests, self.tables, copies_allowed)


@pytest.fixture
def records() -> Records:
    log = PublishLog(Path("nowhere"), accepted={"o-1": "evt_1"}, requests=[PublishRequest(0.0, 0.01, 202)])
    request = RecordedRequest("evt_1", "/first", ordinal=1, digest="d", verified=True, at=1.0)
    row = ExpectedDelivery("evt_1", "o-1", "/first", "delivered", dead_letters=0, acknowledged=1, unanswered=0)
    return Records(log, [request], [row])


def test_check_of_records_that_agree_finds_no_violation(records: Records) -> None:
    assert records.check() == Report(lost=0, copies=0, violations=[])


def test_check_with_a_copy_finds_a_violation_unless_a_fault_can_cause_it(records: Records) -> None:
    records.requests.append(replace(records.requests[0], ordinal=2))
    records.tables[0] = records.tables[0]._replace(unanswered=1)
    assert records.check(copies_allowed=1) == Report(lost=0, copies=1, violations=[])
    assert records.check().violations == ["1 copies, where this fault can cause 0; 1 had no response"]


def never_arrived(records: Records) -> None:
    records.requests.clear()


def arrived_without_a_row(records: Records) -> None:
    records.tables.clear()


def arrived_with_another_id(records: Records) -> None:
    records.log.accepted["o-1"] = "evt_2"


def was_rejected(records: Records) -> None:
    records.log.accepted.clear()
    records.log.rejected.add("o-1")


def arrived_with_other_bytes(records: Records) -> None:
    records.requests.append(replace(records.requests[0], digest="e"))
    records.tables[0] = records.tables[0]._replace(unanswered=1)


def was_badly_signed(records: Records) -> None:
    records.requests[0] = replace(records.requests[0], verified=False)


def arrived_without_an_attempt(records: Records) -> None:
    records.requests.append(replace(records.requests[0], ordinal=2))


def has_an_attempt_without_request(records: Records) -> None:
    records.tables[0] = records.tables[0]._replace(acknowledged=2)


def is_still_pending(records: Records) -> None:
    records.tables[0] = records.tables[0]._replace(state="pending")


def is_dead_without_a_dead_letter(records: Records) -> None:
    records.tables[0] = records.tables[0]._replace(state="dead")


def is_missing_at_an_endpoint(records: Records) -> None:
    records.tables.append(ExpectedDelivery("evt_1", "o-1", "/second", None, 0, 0, 0))


def got_an_error_of_ours(records: Records) -> None:
    records.log.requests.append(PublishRequest(0.0, 0.01, 500))


@pytest.mark.parametrize(
    ("falsify", "found"),
    [
        (never_arrived, "lost"),
        (arrived_without_a_row, "received but not accepted"),
        (arrived_with_another_id, "accepted o-1 as"),
        (was_rejected, "rejected o-1"),
        (arrived_with_other_bytes, "copies with different bytes"),
        (was_badly_signed, "invalid signature"),
        (arrived_without_an_attempt, "unlike the attempts"),
        (has_an_attempt_without_request, "unlike the attempts"),
        (is_still_pending, "neither delivered nor dead"),
        (is_dead_without_a_dead_letter, "neither delivered nor dead"),
        (is_missing_at_an_endpoint, "neither delivered nor dead"),
        (got_an_error_of_ours, "got 500"),
    ],
)
def test_check_with_a_falsified_record_finds_the_violation(
    records: Records, falsify: Callable[[Records], None], found: str
) -> None:
    falsify(records)
    assert any(found in violation for violation in records.check(copies_allowed=9).violations)


@pytest.fixture
def topic_records() -> list[TopicRecord]:
    return [TopicRecord(f"evt_{n}", f"o-{n}", b"key", "d", verified=True) for n in (1, 2)]


def topic_check(found: list[TopicRecord], states: dict[str, str | None], copies_allowed: int = 0) -> list[str]:
    log = PublishLog(Path("nowhere"), accepted={"o-1": "evt_1", "o-2": "evt_2"}, rejected={"o-3"})
    return list(check_topic(log, found, states, copies_allowed))


DELIVERED: dict[str, str | None] = {"o-1": "delivered", "o-2": "delivered"}


def test_topic_with_every_record_in_order_violates_nothing(topic_records: list[TopicRecord]) -> None:
    assert topic_check(topic_records, DELIVERED) == []
    assert topic_check([*topic_records, topic_records[0]], DELIVERED, copies_allowed=1) == []


def test_every_violation_at_a_topic_is_found(topic_records: list[TopicRecord]) -> None:
    first, second = topic_records
    cases = {
        "lost": [first],
        "key": [second, first],
        "copies": [first, second, second],
        "different bytes": [first, second, replace(second, digest="e")],
        "signature": [first, replace(second, verified=False)],
        "not accepted": [first, second, replace(second, message_id="evt_3", event_id="o-3")],
    }
    for words, found in cases.items():
        assert any(words in it for it in topic_check(found, DELIVERED)), words
    assert topic_check(topic_records, {**DELIVERED, "o-2": "pending"}) == ["topic: not delivered: o-2, pending"]
