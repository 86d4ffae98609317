"""Test that claims take turns between tenants and sources, and that suspects and slow sources are claimed alone."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt, Source
from webhooks.processing.turns import claims
from webhooks.processing.turns.claims import ClaimPosition, claim_group, claim_slow, claim_suspect
from webhooks.processing.turns.slow_sources import mark_slow
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]

FIRST = UUID(int=0)


@pytest.fixture
def position() -> ClaimPosition:
    return ClaimPosition(FIRST)


def make_due(receipt: Receipt) -> None:
    Receipt.objects.filter(pk=receipt.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def make_backlog(source: Source, count: int) -> list[Receipt]:
    return [make_receipt(source) for _ in range(count)]


def sources_of(claimed: list[Receipt]) -> list[UUID]:
    return [receipt.source_id for receipt in claimed]


def test_claim_takes_an_order_key_with_what_follows_its_oldest_receipt() -> None:
    source = make_source()
    first, second, other = [make_receipt(source, order_key=key) for key in ("k", "k", "other")]
    loose = [make_receipt(source) for _ in range(3)]
    assert claim_group(20) == [*loose, first, second, other]
    assert claim_group(20) == []


@pytest.mark.parametrize("change", ["later", "suspect"])
def test_claim_takes_of_an_order_key_nothing_behind_a_gap(change: str) -> None:
    source = make_source()
    receipts = [make_receipt(source, order_key="k") for _ in range(4)]
    changes = {"due_at": timezone.now() + timedelta(hours=1)} if change == "later" else {"claims": 1}
    Receipt.objects.filter(pk=receipts[2].pk).update(**changes)
    assert claim_group(20) == receipts[:2]


def test_claim_takes_nothing_of_an_order_key_whose_oldest_receipt_waits() -> None:
    source = make_source()
    first, *_ = [make_receipt(source, order_key="k") for _ in range(3)]
    Receipt.objects.filter(pk=first.pk).update(due_at=timezone.now() + timedelta(hours=1))
    assert claim_group(20) == []


def test_order_key_with_a_backlog_leaves_the_other_keys_their_part() -> None:
    source = make_source()
    backlog = [make_receipt(source, order_key="k") for _ in range(20)]
    other = make_receipt(source, order_key="other")
    assert claim_group(10) == [*backlog[:5], other]


def test_claimed_receipt_has_all_fields_and_its_source() -> None:
    source = make_source()
    stored = make_receipt(source, headers={"a": "b"}, handled_by=["x"])
    (claimed,) = claim_group(1)
    stored.refresh_from_db()
    for field in Receipt._meta.concrete_fields:
        assert getattr(claimed, field.attname) == getattr(stored, field.attname), field.name
    assert (claimed.source, claimed.claims) == (source, 1)


def test_receipt_that_arrives_after_a_flood_of_another_source_is_in_the_next_claim(position: ClaimPosition) -> None:
    make_backlog(make_source(), 50)
    late = make_receipt(make_source())
    assert late in claim_group(8, position)


def test_claim_is_divided_between_tenants_and_between_the_sources_of_a_tenant(position: ClaimPosition) -> None:
    tenant, other = new_id(), new_id()
    many = [make_source(tenant_id=tenant) for _ in range(4)]
    (one,) = [make_source(tenant_id=other)]
    for source in (*many, one):
        make_backlog(source, 20)
    claimed = sources_of(claim_group(16, position))
    assert [claimed.count(source.id) for source in many] == [2, 2, 2, 2]
    assert claimed.count(one.id) == 8


def test_tenant_with_very_many_sources_takes_a_limited_part_of_a_claim(position: ClaimPosition) -> None:
    tenant = new_id()
    for _ in range(3 * claims.MAX_SOURCES_PER_TENANT):
        make_receipt(make_source(tenant_id=tenant))
    late = make_receipt(make_source(tenant_id=new_id()))
    claimed = claim_group(64, position)
    assert late in claimed
    assert len(claimed) == claims.MAX_SOURCES_PER_TENANT + 1


def test_each_source_gets_its_turn_where_a_claim_has_no_room_for_all(position: ClaimPosition) -> None:
    sources = [make_source() for _ in range(5)]
    for source in sources:
        make_backlog(source, 3)
    served = [source_id for _ in range(3) for source_id in sources_of(claim_group(2, position))]
    assert set(served) == {source.id for source in sources}


def test_walk_goes_on_where_the_last_one_ended_and_reaches_sources_beyond_its_limit(
    position: ClaimPosition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MAX_VISITS", 2)
    for _ in range(5):
        make_receipt(make_source(), due_at=timezone.now() + timedelta(hours=1))
    due = make_receipt(make_source())
    assert claim_group(8, position) == [due]


def test_claim_without_due_receipts_ends_after_a_limited_walk(
    position: ClaimPosition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MAX_VISITS", 1)
    monkeypatch.setattr(claims, "MAX_WALKS", 2)
    for _ in range(5):
        make_receipt(make_source(), due_at=timezone.now() + timedelta(hours=1))
    assert claim_group(8, position) == []


def test_suspect_is_claimed_alone_and_never_in_a_group() -> None:
    older, suspect, younger = make_backlog(make_source(), 3)
    Receipt.objects.filter(pk=suspect.pk).update(claims=1)
    assert claim_group(20) == [older, younger]
    assert claim_suspect() == [suspect]
    assert claim_suspect() == []


def test_expired_claims_become_suspects_one_by_one() -> None:
    first, second = make_backlog(make_source(), 2)
    assert claim_group(20) == [first, second]
    make_due(second)
    make_due(first)
    assert {receipt.pk for _ in range(2) for receipt in claim_suspect()} == {first.pk, second.pk}


def test_slow_source_is_claimed_one_by_one_and_never_in_a_group() -> None:
    slow, fast = make_source(), make_source()
    waiting, other = make_backlog(slow, 2), make_receipt(fast)
    mark_slow([slow.id])
    assert claim_group(20) == [other]
    assert [claim_slow(slow.id) for _ in range(3)] == [[waiting[0]], [waiting[1]], []]


def test_suspect_of_a_slow_source_waits_for_the_turn_of_its_source() -> None:
    receipt = make_receipt()
    Receipt.objects.filter(pk=receipt.pk).update(claims=1)
    mark_slow([receipt.source_id])
    assert claim_suspect() == []
    assert claim_slow(receipt.source_id) == [receipt]


def test_replayed_receipt_of_a_suspect_is_no_suspect() -> None:
    receipt = make_receipt()
    claim_group(1)
    Receipt.objects.filter(pk=receipt.pk).update(claims=0, due_at=timezone.now() - timedelta(seconds=1))
    assert (claim_suspect(), claim_group(1)) == ([], [receipt])


def add_backlog(source: Source, keys: int, each: int, due: str = "1 hour") -> None:
    """Add due receipts of order keys, without their bodies: of each key so many."""
    first = make_receipt(source, order_key="key 00000")
    columns = [field.column for field in Receipt._meta.concrete_fields]
    values = {
        "id": "gen_random_uuid()",
        "message_id": "concat(key, ' ', number)",
        "order_key": "'key ' || to_char(key, 'FM00000')",
        "due_at": f"statement_timestamp() - interval '{due}'",
    }
    selected = ", ".join(values.get(name, name) for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO webhooks_receipt ({', '.join(columns)}) SELECT {selected} FROM webhooks_receipt,"
            " generate_series(0, %s) key, generate_series(1, %s) number WHERE id = %s",
            [keys - 1, each, first.id],
        )
        cursor.execute("ANALYZE webhooks_receipt")


def make_first_wait(source: Source) -> None:
    """Let the oldest receipt of each order key wait for an hour."""
    oldest = Receipt.objects.filter(source=source).order_by("order_key", "id").distinct("order_key").values("id")
    Receipt.objects.filter(id__in=list(oldest.values_list("id", flat=True))).update(
        due_at=timezone.now() + timedelta(hours=1)
    )


def pages_read() -> int:
    """Return how many pages of the table and its indexes this transaction has read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_stat_get_xact_blocks_fetched(it)) FROM (SELECT 'webhooks_receipt'::regclass::oid AS it"
            " UNION SELECT indexrelid FROM pg_index WHERE indrelid = 'webhooks_receipt'::regclass) AS relations"
        )
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("waits", [False, True], ids=["due", "oldest waits"])
@pytest.mark.parametrize("is_slow", [False, True], ids=["group", "slow"])
def test_claim_reads_no_more_pages_for_a_larger_backlog_of_an_order_key(
    waits: bool, is_slow: bool, position: ClaimPosition
) -> None:
    pages = []
    for each in (500, 5000):
        source = make_source()
        add_backlog(source, 1, each)
        if waits:
            make_first_wait(source)
        before = pages_read()
        claimed = claim_slow(source.id, position) if is_slow else claim_group(32, position)
        assert bool(claimed) is not waits
        pages.append(pages_read() - before)
        Receipt.objects.filter(source=source).delete()
    assert pages[1] < 2 * pages[0]


def test_claim_finds_a_key_behind_many_keys_whose_oldest_receipts_wait(position: ClaimPosition) -> None:
    source = make_source()
    add_backlog(source, 3 * claims.MAX_KEYS, 4)
    make_first_wait(source)
    last = make_receipt(source, order_key="later than they")
    assert claim_group(32, position) == [last]
    assert claim_group(32, position) == []
    last = make_receipt(source, order_key="another")
    assert claim_group(32, position) == [last]


def test_claim_of_a_slow_source_goes_on_behind_the_keys_it_has_looked_at(position: ClaimPosition) -> None:
    source = make_source()
    add_backlog(source, 2 * claims.MAX_KEYS, 5)
    make_first_wait(source)
    last = make_receipt(source, order_key="later than they")
    found = [claim_slow(source.id, position) for _ in range(4)]
    assert [it for it in found if it] == [[last]]


def test_places_in_the_order_keys_are_forgotten_behind_the_last_key_and_bounded(position: ClaimPosition) -> None:
    position.end_at({"a": "k", "b": ""})
    position.end_at({str(number): "k" for number in range(claims.MAX_REMEMBERED)})
    assert len(position.keys) == claims.MAX_REMEMBERED
    assert "a" not in position.keys
    position.end_at({"7": ""})
    assert "7" not in position.keys
