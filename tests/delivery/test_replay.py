"""Dead letters come back: those that were meant, once each, no faster than asked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery import replay as verb
from delivery.models import DeadLetter, Delivery, Replay
from delivery.replay import Filter, cancel, preview, replay, run_slices
from subscriptions.models import Endpoint
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint
from webhooks.protocol.ids import public

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def letters_of(endpoint: Endpoint, count: int, **changes: object) -> list[DeadLetter]:
    deliveries = [make_delivery(make_event(endpoint.tenant), endpoint, state="dead") for _ in range(count)]
    return [make_dead_letter(delivery, **changes) for delivery in deliveries]


def run_to_the_end(row: Replay) -> Replay:
    """As if beat had rung every two seconds."""
    for _ in range(100):
        run_slices()
        row.refresh_from_db()
        if row.state != "running":
            return row
        Replay.objects.filter(id=row.id).update(sliced_at=row.sliced_at and row.sliced_at - timedelta(seconds=2))
    raise AssertionError("it does not end")


class TestBringingBack:
    def test_what_matches_is_pending_again_with_its_plan_anew(self, endpoint: Endpoint) -> None:
        letter = letters_of(endpoint, 1)[0]
        Delivery.objects.filter(id=letter.delivery_id).update(step=7, attempts=8)
        row = run_to_the_end(replay(endpoint.tenant, Filter(), by="ops"))
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.step, delivery.attempts) == ("pending", 0, 8)
        assert delivery.replay_id == row.id
        letter.refresh_from_db()
        assert letter.redriven_by == "ops"
        assert letter.redriven_at is not None
        assert (row.total, row.replayed, row.state) == (1, 1, "finished")

    def test_a_second_click_changes_nothing(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 3)
        first, second = (replay(endpoint.tenant, Filter(), by=who) for who in ("one", "two"))
        assert [run_to_the_end(row).replayed for row in (first, second)] == [3, 0]
        assert set(DeadLetter.objects.values_list("redriven_by", flat=True)) == {"one"}

    def test_letters_that_died_later_are_not_part_of_it(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 2)
        row = replay(endpoint.tenant, Filter(), by="ops")
        letters_of(endpoint, 1, died_at=timezone.now() + timedelta(seconds=60))
        assert run_to_the_end(row).replayed == 2

    def test_letters_of_a_deleted_endpoint_stay_dead(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 1)
        Endpoint.objects.update(deleted_at=timezone.now())
        assert preview(endpoint.tenant, Filter()) == 0
        assert run_to_the_end(replay(endpoint.tenant, Filter(), by="ops")).replayed == 0

    def test_another_tenants_letters_are_not_touched(self, endpoint: Endpoint) -> None:
        letters_of(make_endpoint(), 2)
        assert run_to_the_end(replay(endpoint.tenant, Filter(), by="ops")).replayed == 0

    def test_an_operator_brings_back_everybodys(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 1)
        letters_of(make_endpoint(), 1)
        assert run_to_the_end(replay(None, Filter(), by="ops")).replayed == 2


class TestPace:
    def test_no_more_come_back_at_once_than_the_rate_allows(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 30)
        row = replay(endpoint.tenant, Filter(), rate=5, by="ops")
        run_slices()
        run_slices()
        row.refresh_from_db()
        assert 0 < row.replayed <= 5 * (verb.BURST + 1)
        assert run_to_the_end(row).replayed == 30

    def test_it_goes_on_where_the_last_slice_ended(self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verb, "SLICE", 2)
        letters_of(endpoint, 7)
        assert run_to_the_end(replay(endpoint.tenant, Filter(), rate=1000, by="ops")).replayed == 7

    def test_a_cancelled_one_brings_back_nothing_more(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 3)
        row = replay(endpoint.tenant, Filter(), by="ops")
        assert cancel(row)
        assert not cancel(row)
        run_slices()
        assert Delivery.objects.filter(state="dead").count() == 3

    @pytest.mark.parametrize("rate", [0, -1, 10_001])
    def test_a_rate_out_of_bounds_is_refused_by_name(self, endpoint: Endpoint, rate: int) -> None:
        with pytest.raises(ValueError, match="rate"):
            replay(endpoint.tenant, Filter(), rate=rate, by="ops")


class TestFilter:
    def test_each_field_narrows(self, endpoint: Endpoint) -> None:
        gone, spent = letters_of(endpoint, 1, cause="gone")[0], letters_of(endpoint, 1, cause="exhausted")[0]
        later = timezone.now() + timedelta(hours=1)
        assert preview(None, Filter()) == 2
        assert preview(None, Filter(ids=(gone.id,))) == 1
        assert preview(None, Filter(cause="exhausted")) == 1
        assert preview(None, Filter(endpoint=make_endpoint().id)) == 0
        assert preview(None, Filter(type=spent.delivery.event.type)) >= 1
        assert preview(None, Filter(since=later)) == 0
        assert preview(None, Filter(until=later)) == 2

    def test_it_survives_being_written_down(self, endpoint: Endpoint) -> None:
        wanted = Filter(ids=(endpoint.id,), endpoint=endpoint.id, cause="gone", type="a.b", since=timezone.now())
        assert Filter.parse(wanted.as_json()) == wanted

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"ids": []}, "ids"),
            ({"ids": "all"}, "ids"),
            ({"ids": ["ep_x"]}, "ids"),
            ({"ids": [7]}, "ids"),
            ({"endpoint": "nobody"}, "endpoint"),
            ({"endpoint": 7}, "endpoint"),
            ({"cause": "bad luck"}, "cause"),
            ({"cause": ["gone"]}, "cause"),
            ({"type": "a\0b"}, "type"),
            ({"since": "yesterday"}, "since"),
            ({"since": "2030-01-01T00:00:00"}, "since"),
            ({"until": "2030-13-01T00:00:00Z"}, "until"),
            ({"colour": "red"}, "colour"),
            ([], "filter"),
        ],
    )
    def test_what_it_cannot_mean_is_refused_by_name(self, given: dict[str, object], field: str) -> None:
        with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the field is looked at)
            Filter.parse(given)
        assert refusal.value.args[0] == field

    def test_an_id_of_the_right_kind_is_read(self, endpoint: Endpoint) -> None:
        assert Filter.parse({"endpoint": public("ep", endpoint.id)}).endpoint == endpoint.id
