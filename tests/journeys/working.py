"""Workers that handle receipts, what they have done, and their deaths."""

from django.db import connection
from django.db.models.functions import Now

from tests.journeys.conftest import Crew, Program
from tests.waiting import wait_until
from webhooks.models import Receipt


def marked() -> list[str]:
    """The message ids that the handler ``mark`` has seen, each as often as it did."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id FROM journey_marks")
        return [name for (name,) in cursor.fetchall()]


def kill_and_replace(crew: Crew, worker: Program) -> Program:
    """kill -9 a worker, parent and all; the claims of the dead run out, and another takes its place."""
    worker.kill()
    let_claims_run_out()
    (successor,) = crew.start("work")
    return successor


def let_claims_run_out() -> None:
    """Once the database has seen the death: what is claimed now is owed by nobody else, and as if a minute had gone."""
    wait_until(lambda: not holders(), "the database to see that the worker is gone")
    Receipt.objects.filter(claim_token__isnull=False).update(due_at=Now())


def holders() -> int:
    """Sessions in a transaction that has locked receipts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND mode = 'RowShareLock'"
            " AND relation = 'webhooks_receipt'::regclass"
        )
        return int(cursor.fetchone()[0])
