"""Discarding and acknowledging dead letters: some at once, many by a job."""

from datetime import UTC, datetime, timedelta

import pytest

from delivery.models import DeadLetter, DeadLetterJob, Delivery
from delivery.reading.timeline import timeline
from delivery.replaying import closing
from delivery.replaying.replay_filter import ReplayFilter
from delivery.replaying.resend import resend
from delivery.sql.figures.backlog import measure
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def make_letter(endpoint: Endpoint, **changes: object) -> DeadLetter:
    return make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint), **changes)


def open_count() -> int:
    return sum(it.open_dead_letters for it in measure())


def test_discard_closes_the_dead_letter_and_sends_nothing(endpoint: Endpoint) -> None:
    letter, other = make_letter(endpoint), make_letter(endpoint)
    assert closing.discard([letter.pk], "a key", "test data") == 1
    letter.refresh_from_db()
    other.refresh_from_db()
    assert (letter.state, letter.closed_by, letter.note) == ("discarded", "a key", "test data")
    assert (other.state, open_count()) == ("open", 1)
    assert Delivery.objects.get(pk=letter.delivery_id).state == "dead"


def test_discarded_dead_letter_cannot_be_replayed(endpoint: Endpoint) -> None:
    letter = make_letter(endpoint)
    closing.discard([letter.pk], "a key")
    with pytest.raises(StateConflict, match="discarded"):
        resend(letter.delivery, "a key")


def test_acknowledged_dead_letter_is_not_open_and_can_be_replayed(endpoint: Endpoint) -> None:
    letter = make_letter(endpoint)
    assert closing.acknowledge([letter.pk], "a key", "known outage") == 1
    letter.refresh_from_db()
    assert (letter.state, letter.acknowledged_by, open_count()) == ("acknowledged", "a key", 0)
    resend(letter.delivery, "a key")
    letter.refresh_from_db()
    assert (letter.state, letter.note) == ("replayed", "known outage")


def test_repeated_change_changes_nothing(endpoint: Endpoint) -> None:
    letter = make_letter(endpoint)
    closing.acknowledge([letter.pk], "first", "why")
    assert closing.acknowledge([letter.pk], "second", "other") == 0
    closing.discard([letter.pk], "third")
    assert closing.discard([letter.pk], "fourth", "late") == closing.acknowledge([letter.pk], "fifth") == 0
    letter.refresh_from_db()
    assert (letter.acknowledged_by, letter.closed_by, letter.note) == ("first", "third", "why")


def test_timeline_shows_who_acknowledged_and_discarded_and_why(endpoint: Endpoint) -> None:
    letter = make_letter(endpoint)
    closing.acknowledge([letter.pk], "ann", "known")
    closing.discard([letter.pk], "bob")
    letter.refresh_from_db()
    entries = {it.kind: it.detail for it in timeline(letter.delivery, [], [letter])}
    assert (entries["acknowledged"], entries["discarded"]) == ("by ann: known", "by bob: known")


def test_job_changes_what_matches_and_no_later_dead_letter(endpoint: Endpoint) -> None:
    chosen = [make_letter(endpoint, cause="expired") for _ in range(3)]
    other, foreign = make_letter(endpoint), make_letter(make_endpoint(), cause="expired")
    selected = ReplayFilter.parse({"cause": "expired"})
    row = closing.start(endpoint.tenant, "discard", selected, by="a key", note="gone")
    later = make_letter(endpoint, cause="expired", failed_at=datetime.now(UTC) + timedelta(minutes=1))
    closing.run_slices()
    row.refresh_from_db()
    assert (row.state, row.total, row.changed) == ("finished", 3, 3)
    states = {it.pk: it.state for it in DeadLetter.objects.all()}
    assert {states[it.pk] for it in chosen} == {"discarded"}
    assert {states[it.pk] for it in (other, foreign, later)} == {"open"}


def test_job_goes_on_in_slices_and_can_be_cancelled(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(30):
        make_letter(endpoint)
    row = closing.start(endpoint.tenant, "acknowledge", ReplayFilter(), by="a key")
    DeadLetterJob.objects.update(rate=2)
    closing.run_slices(seconds=0)
    row.refresh_from_db()
    changed = row.changed  # more on a slow machine
    assert (row.state, row.total, 0 < changed < 30) == ("running", 30, True)
    assert closing.cancel(row)
    closing.run_slices()
    row.refresh_from_db()
    assert (row.state, row.changed, open_count()) == ("cancelled", changed, 30 - changed)


def test_acknowledging_job_leaves_acknowledged_ones_out(endpoint: Endpoint) -> None:
    first = make_letter(endpoint)
    make_letter(endpoint)
    closing.acknowledge([first.pk], "a key")
    assert closing.preview(endpoint.tenant, "acknowledge", ReplayFilter()).total == 1
    assert closing.preview(endpoint.tenant, "discard", ReplayFilter()).total == 2
    for state in ("open", "acknowledged"):
        assert closing.preview(endpoint.tenant, "discard", ReplayFilter(state=state)).total == 1


def test_dead_letters_that_cannot_be_replayed_can_be_discarded(endpoint: Endpoint) -> None:
    letter = make_letter(endpoint)
    Endpoint.objects.update(state="disabled", deleted_at=datetime.now(UTC))
    closing.start(endpoint.tenant, "discard", ReplayFilter(), by="a key")
    closing.run_slices()
    letter.refresh_from_db()
    assert letter.state == "discarded"


def test_job_of_a_deleted_tenant_is_cancelled(endpoint: Endpoint) -> None:
    row = closing.start(endpoint.tenant, "discard", ReplayFilter(), by="a key")
    closing.cancel_all_of(tenant_id=endpoint.tenant_id)
    row.refresh_from_db()
    assert row.state == "cancelled"
