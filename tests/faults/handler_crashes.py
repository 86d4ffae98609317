"""Kill a worker at each of its exchanges with the database in turn, and report what became of its receipts.

A program of its own (see ``test_handler_crashes``): ``python handler_crashes.py DATABASE``. For each number n a child
processes due receipts and kills itself before or after its n-th exchange; then this process processes what is left. It
prints one line of JSON for each: how the child ended, the messages whose effects were committed, the states of the
receipts.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import django
import psycopg

django.setup()

from django.db import connection  # noqa: E402
from django.db.models.functions import Now  # noqa: E402

from tests.factories_receiver import make_receipt, make_source  # noqa: E402
from tests.waiting import wait_until  # noqa: E402
from webhooks.models import Receipt  # noqa: E402
from webhooks.processing.handlers import handles  # noqa: E402
from webhooks.processing.process import process_due  # noqa: E402

MESSAGES = ("a", "b", "c", "late")
CHILD = "crashing worker"  # the name of its sessions


def write(receipt: Receipt) -> None:
    """Write a row for each run, without a constraint that could hide a second run; of one message run twice."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO handled VALUES (%s)", [receipt.message_id])
    if receipt.message_id == "b" and not receipt.attempts:
        raise RuntimeError("the first run fails")


def main() -> None:
    """Print the result of each crash, until a child survives."""
    connection.settings_dict["NAME"] = sys.argv[1]
    handles()(write)
    for number in count(1):
        ends = [crash_at(number, is_before=is_before) for is_before in (True, False)]
        if "survived" in ends:
            return


def crash_at(number: int, *, is_before: bool) -> str:
    """Let a child crash at this exchange, process the rest, and print the result; return how the child ended."""
    prepare()
    end = run_child(number, is_before=is_before)
    wait_until(lambda: not sessions_of_the_child(), "the database to see that the child is gone")
    while Receipt.objects.filter(due_at__isnull=False).update(due_at=Now()):
        process_due()
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id FROM handled ORDER BY message_id")
        handled = [message_id for (message_id,) in cursor.fetchall()]
    receipts = Receipt.objects.order_by("message_id")
    states = {receipt.message_id: [receipt.state, receipt.attempts, receipt.claims] for receipt in receipts}
    print(json.dumps({"number": number, "end": end, "handled": handled, "states": states}))
    return end


def prepare() -> None:
    """Make four due receipts, two of them in order, in place of all others."""
    Receipt.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS handled; CREATE TABLE handled (message_id text)")
    source = make_source(secret=None, response_when="processed", sequence_path="header:n")
    for number, message_id in enumerate(MESSAGES):
        make_receipt(source, message_id=message_id, headers={"n": str(number)}, order_key="late" if number else "")


def run_child(number: int, *, is_before: bool) -> str:
    """Process due receipts in a child that kills itself at this exchange with the database."""
    connection.close()
    child = os.fork()
    if not child:
        try:
            os.environ["PGAPPNAME"] = CHILD
            kill_at(number, is_before=is_before)
            process_due()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else "survived"


def kill_at(number: int, *, is_before: bool) -> None:
    """Kill this process before or after its n-th exchange with the database."""
    exchange: Callable[..., Any] = psycopg.Connection.wait
    exchanges = count(1)

    def wait(self: psycopg.Connection, *args: Any, **options: Any) -> Any:
        is_last = next(exchanges) == number
        if is_last and is_before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = exchange(self, *args, **options)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    psycopg.Connection.wait = wait  # type: ignore[method-assign]


def sessions_of_the_child() -> int:
    """Count the sessions of the child that the database has not ended yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [CHILD])
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
