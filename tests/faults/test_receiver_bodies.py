"""Test faults while a large body is received: nothing is stored in part, and a retry is stored whole."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.database_url import database_url
from tests.factories_receiver import make_source, signed
from tests.faults.injectors.fault import SMALL_DISK
from tests.faults.platforms import missing_requirement
from tests.waiting import wait_until
from tests.web_server import MIB, Server, running
from webhooks.models import Receipt, Source
from webhooks.processing import sweep

pytestmark = pytest.mark.django_db(transaction=True)

LARGE, SMALL = "x" * (8 * MIB), '{"type":"a.b"}'
FULL = ["a limit on files", *([] if missing_requirement(SMALL_DISK) else ["a disk of 4 MiB"])]


def post(server: Server, source: Source, body: str, message_id: str = "msg_1") -> tuple[int, str | None]:
    """Send a message; return the status and Retry-After, or 0 and None if the connection broke."""
    headers = signed(body.encode(), message_id=message_id)
    with closing(HTTPConnection("127.0.0.1", server.port)) as sender:
        try:
            sender.request("POST", f"/in/{source.public_id}/", body, headers)
            response = sender.getresponse()
            return response.status, response.getheader("retry-after")
        except (OSError, HTTPException):
            return 0, None


def objects(data: Path) -> list[Path]:
    return [path for path in data.rglob("*") if path.is_file()]


@contextmanager
def between_object_and_row(server: Server, source: Source, data: Path) -> Iterator[list[tuple[int, str | None]]]:
    """Send a large message and block the insert of its row; afterwards the list has the sender's result."""
    results: list[tuple[int, str | None]] = []
    sender = threading.Thread(target=lambda: results.append(post(server, source, LARGE)))
    with psycopg.connect(database_url()) as blocker:
        blocker.execute("LOCK TABLE webhooks_receipt IN ACCESS EXCLUSIVE MODE")
        sender.start()
        wait_until(sessions_waiting_for_the_lock, "the insert to wait")
        assert [path.stat().st_size for path in objects(data)] == [len(LARGE)]
        yield results
        terminate_waiting_sessions()
    sender.join()


WAITING = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO webhooks_receipt%'"


def sessions_waiting_for_the_lock() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {WAITING}")
        return int(cursor.fetchone()[0])


def terminate_waiting_sessions() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
    wait_until(lambda: not sessions_waiting_for_the_lock(), "the sessions to end")


def test_crash_between_object_and_row_leaves_an_orphan_and_a_retry_is_stored(tmp_path, settings) -> None:
    source = make_source()
    with running(tmp_path) as server, between_object_and_row(server, source, tmp_path) as results:
        for worker in psutil.Process(server.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        server.process.kill()
    assert results == [(0, None)]
    assert not Receipt.objects.exists()
    with running(tmp_path) as server:
        assert post(server, source, LARGE) == (202, None)
    place = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "claims": place}
    assert len(objects(tmp_path)) == 2
    assert sweep.remove_orphans(timezone.now() + timedelta(days=2)) == 1
    assert Receipt.objects.get().read() == LARGE.encode()


def test_database_outage_while_the_row_is_written_is_503_and_a_retry_is_stored(tmp_path) -> None:
    source = make_source()
    with running(tmp_path) as server:
        with between_object_and_row(server, source, tmp_path) as results:
            pass
        assert results == [(503, "5")]
        assert not Receipt.objects.exists()
        assert post(server, source, LARGE)[0] == 202
    receipt = Receipt.objects.get()
    assert (tmp_path / receipt.body_key).read_bytes() == LARGE.encode()


def test_server_without_database_responds_503_and_stores_nothing(tmp_path) -> None:
    with transaction.atomic():
        source = make_source()
    with running(tmp_path, database="postgresql://unknown@127.0.0.1:1/nothing") as server:
        assert post(server, source, SMALL) == (503, "5")
        # The response precedes the body: a sender that reads only after sending all may see the connection end.
        assert post(server, source, LARGE) in [(503, "5"), (0, None)]
    assert objects(tmp_path) == []


@pytest.fixture(params=FULL)
def small_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, dict[str, int]]]:
    """Return a folder for large bodies where 8 MiB do not fit, and the options of a server on it."""
    if request.param == "a limit on files":
        yield tmp_path, {"largest_file": 4 * MIB}
        return
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
    try:
        yield place, {}
    finally:
        subprocess.run(["umount", place], check=True)


def test_full_disk_is_503_for_large_bodies_and_leaves_no_part_of_them(small_folder) -> None:
    folder, options = small_folder
    source = make_source()
    with running(folder, **options) as server:
        assert post(server, source, LARGE) == (503, "5")
        assert not Receipt.objects.exists()
        assert objects(folder) == []
        assert post(server, source, SMALL, "msg_2") == (202, None)
        assert post(server, source, "y" * MIB, "msg_3") == (202, None)
    assert Receipt.objects.count() == 2
    assert [path.stat().st_size for path in objects(folder)] == [MIB]
