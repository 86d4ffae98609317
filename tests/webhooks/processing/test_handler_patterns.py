"""Test the cost of matching receipts with the patterns of handlers, and the shares of the compiled patterns."""

from typing import Any

import orjson
import pytest

from tests.factories_receiver import make_receipt, make_source
from tests.webhooks.handlers_of_tests import succeed
from webhooks.processing.handler_patterns import (
    MAX_MATCHING_STEPS,
    MAX_OWNER_BYTES,
    PatternsTooExpensive,
    ReceiptPatterns,
)
from webhooks.processing.process import process_due
from webhooks.wire.ids import new_id

SUCCEED = f"{succeed.__module__}.{succeed.__qualname__}"


def expensive(number: int) -> dict[str, Any]:
    """Return a pattern of 900 branches that matches no event."""
    return {
        "data": {"items": {"$or": [{f"k{it}": [{"prefix": f"{number}v{it}"}]} for it in range(30)]}},
        "$or": [{"data": {"items": {"z": [{"wildcard": f"*a*{number}x{it}"}]}}} for it in range(30)],
    }


LISTS = orjson.dumps({"items": [{"z": f"a{item}", "k1": "w", "k2": "w"} for item in range(1_500)]})


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("receiver", "rules")
def test_receipt_whose_patterns_cost_too_much_fails_with_the_name_of_the_limit(settings) -> None:
    settings.WAYPOST_HANDLERS = {f"h{number}": SUCCEED for number in range(20)}
    rules = [{"handler": f"h{number}", "pattern": expensive(number)} for number in range(20)]
    costly = make_receipt(make_source(handlers=rules), body=LISTS)
    neighbour = make_receipt(make_source(handlers=[{"handler": "h0", "pattern": {"type": ["a.b"]}}]), event_type="a.b")
    process_due()
    costly.refresh_from_db()
    neighbour.refresh_from_db()
    assert (costly.state, costly.attempts, neighbour.state) == ("pending", 1, "processed")
    assert costly.last_error.startswith("matching: PatternsTooExpensive:")
    assert f"MAX_MATCHING_STEPS ({MAX_MATCHING_STEPS})" in costly.last_error


def test_matching_of_all_events_and_patterns_of_a_receipt_has_one_budget() -> None:
    owner = new_id()
    patterns, pattern = ReceiptPatterns(owner), ReceiptPatterns(owner).compile(expensive(0))
    events = [{"data": orjson.loads(LISTS)}] * 10
    assert patterns.is_match(pattern, events) is False
    with pytest.raises(PatternsTooExpensive):
        patterns.is_match(pattern, events * 10)


def test_tenant_with_many_patterns_displaces_only_its_own() -> None:
    owner, neighbour = new_id(), ReceiptPatterns(new_id())
    kept = neighbour.compile({"type": ["a.b"]})
    first, used, number = ReceiptPatterns(owner).compile(expensive(0)), 0, 0
    while used <= MAX_OWNER_BYTES:
        number += 1
        used += ReceiptPatterns(owner).compile(expensive(number)).size
    assert ReceiptPatterns(owner).compile(expensive(0)) is not first
    assert neighbour.compile({"type": ["a.b"]}) is kept
