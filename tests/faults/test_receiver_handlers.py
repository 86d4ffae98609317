"""Handlers that end their worker, never come back, or fail: each costs its own receipt, and no other."""

import pytest
from django.db.models.functions import Now

from tests.factories_receiver import make_receipt, make_source
from tests.journeys.conftest import Crew, crew, marks  # noqa: F401 - fixtures
from tests.journeys.working import marked
from tests.waiting import wait_until
from webhooks.models import Receipt

INNOCENT = 30


@pytest.mark.parametrize(
    ("handler", "cause"),
    [("kill", "crashed_worker"), ("leave", "crashed_worker"), ("hang", "exhausted"), ("fail", "exhausted")],
)
def test_what_a_handler_does_to_its_worker_costs_its_own_receipt_only(
    crew: Crew,  # noqa: F811
    marks: None,  # noqa: F811
    handler: str,
    cause: str,
) -> None:
    bad = make_source(handlers=[{"handler": handler}], handler_timeout_seconds=1, retry_plan=[1])
    good = make_source(handlers=[{"handler": "mark"}])
    before = [make_receipt(good) for _ in range(INNOCENT // 2)]
    culprit = make_receipt(bad)
    after = [make_receipt(good) for _ in range(INNOCENT // 2)]
    crew.start("beat", "work")

    def is_dead() -> bool:
        """Let claims run out at once: what is claimed and was never begun is due again, too."""
        Receipt.objects.filter(claims__gt=0, due_at__gt=Now()).exclude(claim_token=None).update(due_at=Now())
        culprit.refresh_from_db()
        return culprit.dead_at is not None

    wait_until(is_dead, "the culprit to be given up", every=3.0)
    assert culprit.cause == cause
    innocent = sorted(receipt.message_id for receipt in before + after)
    wait_until(lambda: len(marked()) >= INNOCENT, "the others to be handled", every=0.5)
    assert sorted(marked()) == innocent
    assert Receipt.objects.filter(processed_at__isnull=False).count() == INNOCENT
