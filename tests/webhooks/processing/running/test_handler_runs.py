"""Test that receipts share a commit, and that one that fails, breaks the transaction or is slow affects only itself."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Receipt, SlowSource
from webhooks.processing import process
from webhooks.processing.handlers import GiveUp, RetryLater, handles
from webhooks.processing.process import process_due
from webhooks.processing.running import handler_runs
from webhooks.processing.turns import slow_sources
from webhooks.processing.turns.claims import claim_group, claim_slow

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("receiver", "rules")]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no group end early because the machine is slow."""
    monkeypatch.setattr(handler_runs, "GROUP_SECONDS", 3600.0)
    monkeypatch.setattr(process, "RELEASE_AFTER", 3600.0)
    monkeypatch.setattr(process, "TENANT_SECONDS", 3600.0)
    monkeypatch.setattr(slow_sources, "SLOW_MEAN", 3600.0)


@pytest.fixture
def commits() -> Iterator[Callable[[], int]]:
    """Count the transactions of this session that wrote something."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS handled")  # of another test's process that was killed
        cursor.execute("CREATE TABLE handled (message_id text, transaction xid8 DEFAULT pg_current_xact_id())")

    def count() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT transaction) FROM handled")
            return int(cursor.fetchone()[0])

    yield count
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE handled")


def write(receipt: Receipt) -> None:
    """Write one row for each run, without a constraint that could hide a second run."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO handled (message_id) VALUES (%s)", [receipt.message_id])


def written() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT message_id FROM handled")
        return sorted(message_id for (message_id,) in cursor.fetchall())


def register(bad: Callable[[Receipt], Any]) -> None:
    """Register a handler that writes, and then runs ``bad`` for the receipts called bad."""

    @handles()
    def writes(receipt: Receipt) -> None:
        write(receipt)
        if receipt.message_id.startswith("bad"):
            bad(receipt)


def make_group(**changes: Any) -> list[Receipt]:
    """Create receipts of one source: good ones before and after a bad one."""
    source = make_source(**changes)
    return [make_receipt(source, message_id=name) for name in ("a", "bad", "c", "d")]


def states() -> dict[str, tuple[str, int]]:
    return {receipt.message_id: (receipt.state, receipt.attempts) for receipt in Receipt.objects.all()}


GOOD = dict.fromkeys(("a", "c", "d"), ("processed", 1))


def test_receipts_of_a_claim_share_a_commit(commits: Callable[[], int]) -> None:
    register(lambda receipt: None)
    make_group()
    process_due()
    assert states() == {**GOOD, "bad": ("processed", 1)}
    assert commits() == 1


def test_group_is_limited_to_the_subtransactions_that_postgresql_caches(commits: Callable[[], int]) -> None:
    register(lambda receipt: None)
    source = make_source()
    for _ in range(process.MAX_GROUP + 1):
        make_receipt(source)
    assert process_due() == process.MAX_GROUP + 1
    assert commits() == 2
    assert process.MAX_GROUP < 64


def raise_error(receipt: Receipt) -> None:
    raise RuntimeError("no")


def give_up(receipt: Receipt) -> None:
    raise GiveUp("no")


def retry_later(receipt: Receipt) -> None:
    raise RetryLater(600)


def break_the_transaction(receipt: Receipt) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1/0")


def catch_a_database_error(receipt: Receipt) -> None:
    try:
        break_the_transaction(receipt)
    except Exception:
        pass


def set_rollback(receipt: Receipt) -> None:
    transaction.set_rollback(True)


@pytest.mark.parametrize(
    ("bad", "state"),
    [
        (raise_error, ("pending", 1)),
        (give_up, ("dead", 1)),
        (retry_later, ("pending", 0)),
        (break_the_transaction, ("pending", 1)),
        (catch_a_database_error, ("pending", 1)),
        (set_rollback, ("pending", 1)),
    ],
)
def test_receipt_that_fails_undoes_only_itself_in_the_shared_commit(
    commits: Callable[[], int], bad: Callable[[Receipt], None], state: tuple[str, int]
) -> None:
    register(bad)
    make_group()
    process_due()
    assert states() == {**GOOD, "bad": state}
    assert (written(), commits()) == (["a", "c", "d"], 1)


def close_the_connection(receipt: Receipt) -> None:
    connection.close()


def end_the_session(receipt: Receipt) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def roll_back(receipt: Receipt) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("bad", [close_the_connection, end_the_session, roll_back])
def test_receipt_that_ends_the_shared_transaction_fails_alone(
    commits: Callable[[], int], bad: Callable[[Receipt], None]
) -> None:
    register(bad)
    make_group()
    process_due()
    assert states() == {**GOOD, "bad": ("pending", 1)}
    assert written() == ["a", "c", "d"]
    assert Receipt.objects.get(message_id="bad").last_error


def test_deferred_constraint_that_fails_at_the_commit_fails_its_receipt_only(commits: Callable[[], int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE handled ADD UNIQUE (message_id) DEFERRABLE INITIALLY DEFERRED")
    register(write)  # the second row of one receipt
    make_group()
    process_due()
    assert states() == {**GOOD, "bad": ("pending", 1)}
    assert written() == ["a", "c", "d"]
    assert "IntegrityError" in Receipt.objects.get(message_id="bad").last_error


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_conflict_in_a_group_runs_the_receipt_again_alone_without_an_attempt(
    commits: Callable[[], int], sqlstate: str
) -> None:
    runs: list[int] = []

    def conflict(receipt: Receipt) -> None:
        runs.append(1)
        if len(runs) == 1:
            with connection.cursor() as cursor:
                cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '{sqlstate}'; END $$")

    register(conflict)
    make_group()
    process_due()
    assert states() == {**GOOD, "bad": ("processed", 1)}
    assert (written(), commits()) == (["a", "bad", "c", "d"], 2)


def test_receipt_too_slow_for_a_group_runs_again_alone_without_an_attempt(
    commits: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []

    def slow(receipt: Receipt) -> None:
        runs.append(1)
        if len(runs) == 1:
            time.sleep(3600)  # longer than a receipt has in a group

    register(slow)
    *_, last = make_group()
    process_due()
    assert (len(runs), states()) == (2, {**GOOD, "bad": ("processed", 1)})
    assert SlowSource.objects.get().source_id == last.source_id


def test_handler_over_its_own_time_limit_in_a_group_fails_and_uses_an_attempt(
    commits: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_runs, "GROUP_LIMIT", 60.0)
    register(lambda receipt: time.sleep(3600))
    make_group(handler_timeout_seconds=1)
    process_due()
    assert states() == {**GOOD, "bad": ("pending", 1)}
    assert "took longer than 1 s" in Receipt.objects.get(message_id="bad").last_error


def test_group_ends_early_after_a_slow_receipt(commits: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_runs, "GROUP_SECONDS", 0.0)
    register(lambda receipt: None)
    make_group()
    assert process_due() == 4
    assert commits() == 4


def test_after_commit_hooks_run_only_for_receipts_that_succeeded_and_stop_no_other() -> None:
    called: list[str] = []

    @handles()
    def hooks(receipt: Receipt) -> None:
        def hook() -> None:
            called.append(receipt.message_id)
            assert not connection.in_atomic_block
            if receipt.message_id == "a":
                raise RuntimeError

        transaction.on_commit(hook)
        if receipt.message_id == "bad":
            raise RuntimeError

    make_group()
    process_due()
    assert called == ["a", "c", "d"]
    assert states() == {**GOOD, "bad": ("pending", 1)}


def test_after_commit_hook_that_hangs_is_interrupted() -> None:
    called: list[str] = []

    @handles()
    def hooks(receipt: Receipt) -> None:
        transaction.on_commit(lambda: time.sleep(3600) if receipt.message_id == "bad" else called.append("good"))

    make_group(handler_timeout_seconds=1)
    process_due()
    assert called == ["good"] * 3
    assert {state for state, _ in states().values()} == {"processed"}


def test_nested_atomic_of_a_handler_works_in_its_savepoint(commits: Callable[[], int]) -> None:
    @handles()
    def nests(receipt: Receipt) -> None:
        with transaction.atomic():
            write(receipt)
        try:
            with transaction.atomic():
                write(receipt)
                raise RuntimeError
        except RuntimeError:
            pass

    make_group()
    process_due()
    assert (written(), commits()) == (["a", "bad", "c", "d"], 1)


def test_handler_that_deletes_its_receipt_is_processed() -> None:
    register_deletion = handles()
    register_deletion(lambda receipt: receipt.delete() if receipt.message_id == "bad" else None)
    make_group()
    process_due()
    assert states() == GOOD


def test_group_whose_receipts_were_claimed_by_another_worker_runs_no_handler(commits: Callable[[], int]) -> None:
    register(lambda receipt: None)
    make_group()
    stalled = claim_group(20)
    Receipt.objects.filter(message_id__in="ac").update(claim_token=None)
    process.process_claimed(stalled)
    assert written() == ["bad", "d"]


def test_slow_receipt_alone_has_the_whole_time_limit_of_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_runs, "GROUP_LIMIT", 0.05)
    handles()(lambda receipt: time.sleep(0.2))
    receipt = make_receipt()
    (claimed,) = claim_slow(receipt.source_id)
    process.process(claimed)
    receipt.refresh_from_db()
    assert receipt.state == "processed"


def test_notifications_of_handlers_in_one_group_are_sent_with_its_commit() -> None:
    with connection.cursor() as cursor:
        cursor.execute("LISTEN waypost_handled")
    register_nothing = handles()
    register_nothing(lambda receipt: None)
    make_group(response_when="processed")
    process_due()
    (notification,) = connection.connection.notifies(timeout=60, stop_after=1)
    assert notification.payload.count("processed") == 4
    with connection.cursor() as cursor:
        cursor.execute("UNLISTEN waypost_handled")
