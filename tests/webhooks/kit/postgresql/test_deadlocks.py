"""Transactions that PostgreSQL ends because of a deadlock run again, and others do not."""

import threading
from collections.abc import Callable

import pytest
from django.db import OperationalError, connection, transaction

from subscriptions.models import Tenant
from tests.factories import make_tenant
from tests.threads import in_threads
from webhooks.kit.postgresql.deadlocks import ATTEMPTS, DEADLOCK, run_despite_deadlocks

pytestmark = pytest.mark.django_db(transaction=True)


def locking(order: tuple[Tenant, Tenant], both: threading.Barrier) -> Callable[[], str]:
    """Return work that locks two tenants, the second one when another thread has locked its first one."""
    waits = [both.wait]

    def work() -> str:
        with transaction.atomic():
            for tenant in order:
                Tenant.objects.filter(pk=tenant.pk).update(name="changed")
                if waits:
                    waits.pop()()
        return "done"

    return work


@pytest.mark.parametrize("retried", [False, True])
def test_transaction_that_a_deadlock_has_rolled_back_runs_again(retried: bool) -> None:
    first, second, both = make_tenant(), make_tenant(), threading.Barrier(2)
    works = [locking(order, both) for order in ((first, second), (second, first))]
    results = in_threads(*[(lambda it=it: run_despite_deadlocks(it)) if retried else it for it in works])
    assert [it for it in results if isinstance(it, OperationalError)] == [] or not retried
    assert results.count("done") == (2 if retried else 1)


def failing(state: str, calls: list[str]) -> Callable[[], None]:
    """Return work that fails with this SQLSTATE."""

    def work() -> None:
        calls.append(state)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$")

    return work


@pytest.mark.parametrize(("state", "attempts"), [(DEADLOCK, ATTEMPTS), ("55P03", 1)])
def test_error_is_raised_when_it_is_another_or_comes_again_and_again(state: str, attempts: int) -> None:
    calls: list[str] = []
    with pytest.raises(OperationalError):
        run_despite_deadlocks(failing(state, calls))
    assert len(calls) == attempts


def test_part_of_a_transaction_is_not_run_again() -> None:
    calls: list[str] = []
    with pytest.raises(OperationalError), transaction.atomic():
        run_despite_deadlocks(failing(DEADLOCK, calls))
    assert len(calls) == 1
