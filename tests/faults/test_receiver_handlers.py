"""Test that a handler that ends its worker, hangs or fails affects only its own receipt."""

import pytest
from django.db.models.functions import Now

from tests.factories_receiver import make_receipt, make_source
from tests.journeys.conftest import Workers, mark_table, workers  # noqa: F401 - fixtures
from tests.journeys.receipt_workers import marked_message_ids
from tests.waiting import wait_until
from webhooks.models import Receipt

INNOCENT = 30


@pytest.mark.parametrize(
    ("handler", "cause"),
    [("kill", "crashed_worker"), ("leave", "crashed_worker"), ("hang", "exhausted"), ("fail", "exhausted")],
)
def test_handler_that_breaks_its_worker_affects_only_its_own_receipt(
    workers: Workers,  # noqa: F811
    mark_table: None,  # noqa: F811
    handler: str,
    cause: str,
) -> None:
    bad = make_source(handlers=[{"handler": handler}], handler_timeout_seconds=1, retry_plan=[1])
    good = make_source(handlers=[{"handler": "mark"}])
    before = [make_receipt(good) for _ in range(INNOCENT // 2)]
    culprit = make_receipt(bad)
    after = [make_receipt(good) for _ in range(INNOCENT // 2)]
    workers.start("work")

    def is_dead() -> bool:
        """Expire all claims at once, also of receipts that were not started."""
        Receipt.objects.filter(claims__gt=0, due_at__gt=Now()).exclude(claim_token=None).update(due_at=Now())
        culprit.refresh_from_db()
        return culprit.dead_at is not None

    wait_until(is_dead, "the culprit to be dead", every=3.0)
    assert culprit.cause == cause
    innocent = sorted(receipt.message_id for receipt in before + after)
    wait_until(lambda: len(marked_message_ids()) >= INNOCENT, "the others to be handled", every=0.5)
    assert sorted(marked_message_ids()) == innocent
    assert Receipt.objects.filter(processed_at__isnull=False).count() == INNOCENT
