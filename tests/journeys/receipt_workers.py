"""Kill and replace workers that handle receipts, and read what they did."""

from django.db import connection
from django.db.models.functions import Now

from tests.journeys.conftest import Program, Workers
from tests.waiting import wait_until
from webhooks.models import Receipt


def marked_message_ids() -> list[str]:
    """Return the message ids that the handler ``mark`` wrote, one for each run."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id FROM journey_marks")
        return [name for (name,) in cursor.fetchall()]


def kill_and_replace(workers: Workers, worker: Program) -> Program:
    """Kill a worker with its children, expire its claims, and start another."""
    worker.kill()
    expire_claims()
    (successor,) = workers.start("work")
    return successor


def expire_claims() -> None:
    """Make claimed receipts due again, as after a minute, once the database has ended the worker's sessions."""
    wait_until(lambda: not sessions_with_locked_receipts(), "the database to see that the worker is gone")
    Receipt.objects.filter(claim_token__isnull=False).update(due_at=Now())


def sessions_with_locked_receipts() -> int:
    """Count the sessions in a transaction that has locked receipts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND mode = 'RowShareLock'"
            " AND relation = 'webhooks_receipt'::regclass"
        )
        return int(cursor.fetchone()[0])
