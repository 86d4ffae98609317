"""Test which sources count as slow, and which of them have a turn."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import SlowSource
from webhooks.processing.turns.slow_sources import MAX_REMEMBERED, SLOW_MEAN, Paces, due_slow_sources, mark_slow
from webhooks.wire.ids import new_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver")]


def test_pace_of_a_single_hiccup_is_not_slow_and_steady_slowness_is() -> None:
    paces, source = Paces(), new_id()
    assert not paces.add(source, 4 * SLOW_MEAN)
    assert any(paces.add(source, 2 * SLOW_MEAN) for _ in range(5))
    assert not [paces.add(source, 0.0) for _ in range(20)][-1]


def test_paces_remember_a_limited_number_of_sources() -> None:
    paces = Paces()
    for _ in range(MAX_REMEMBERED + 10):
        paces.add(new_id(), 0.0)
    assert len(paces._seconds) == MAX_REMEMBERED


def test_mark_slow_again_extends_the_time() -> None:
    source = make_source()
    mark_slow([source.id, source.id])
    SlowSource.objects.update(until=timezone.now())
    mark_slow([source.id])
    assert SlowSource.objects.get().until > timezone.now() + timedelta(minutes=9)
    mark_slow([])


def test_due_slow_sources_has_one_of_each_tenant_that_has_due_receipts() -> None:
    tenant = new_id()
    of_tenant = [make_source(tenant_id=tenant) for _ in range(3)]
    without_tenant, idle, recovered = make_source(), make_source(), make_source()
    for source in (*of_tenant, without_tenant, recovered):
        make_receipt(source)
    mark_slow([source.id for source in (*of_tenant, without_tenant, idle, recovered)])
    SlowSource.objects.filter(source=recovered).update(until=timezone.now())
    due = dict(due_slow_sources())
    assert due.keys() == {tenant, without_tenant.id}
    assert due[tenant] in {source.id for source in of_tenant}
