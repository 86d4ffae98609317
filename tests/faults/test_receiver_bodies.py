"""What breaks under a large body: the process, the disk, the database. Nothing is half kept, and a repeat is whole."""

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

from tests.factories_receiver import make_source, signed
from tests.faults.houses import why_not
from tests.faults.injectors.fault import SMALL_DISK
from tests.waiting import wait_until
from tests.webhooks.receiving.test_streaming import MIB, Server, database_url, running
from webhooks.models import Receipt, Source
from webhooks.processing import sweep

pytestmark = pytest.mark.django_db(transaction=True)

LARGE, SMALL = "x" * (8 * MIB), '{"type":"a.b"}'
FULL = ["a limit on files", *([] if why_not(SMALL_DISK) else ["a disk of 4 MiB"])]


def post(server: Server, source: Source, body: str, message_id: str = "msg_1") -> tuple[int, str | None]:
    """The status and Retry-After; 0 if the connection broke."""
    headers = signed(body.encode(), message_id=message_id)
    with closing(HTTPConnection("127.0.0.1", server.port)) as sender:
        try:
            sender.request("POST", f"/in/{source.public_id}/", body, headers)
            answer = sender.getresponse()
            return answer.status, answer.getheader("retry-after")
        except (OSError, HTTPException):
            return 0, None


def objects(data: Path) -> list[Path]:
    return [path for path in data.rglob("*") if path.is_file()]


@contextmanager
def between_object_and_row(server: Server, source: Source, data: Path) -> Iterator[list[tuple[int, str | None]]]:
    """A large message whose object is complete and whose row cannot be written. What its sender was told comes to
    stand in the list, once this is over."""
    told: list[tuple[int, str | None]] = []
    sender = threading.Thread(target=lambda: told.append(post(server, source, LARGE)))
    with psycopg.connect(database_url()) as blocker:
        blocker.execute("LOCK TABLE webhooks_receipt IN ACCESS EXCLUSIVE MODE")
        sender.start()
        wait_until(waiting_for_the_lock, "the row to be next")
        assert [path.stat().st_size for path in objects(data)] == [len(LARGE)]
        yield told
        end_whoever_waits()
    sender.join()


WAITING = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO webhooks_receipt%'"


def waiting_for_the_lock() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {WAITING}")
        return int(cursor.fetchone()[0])


def end_whoever_waits() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {WAITING}")
    wait_until(lambda: not waiting_for_the_lock(), "the sessions to end")


def test_a_crash_between_object_and_row_leaves_an_orphan_and_the_repeat_is_kept_whole(tmp_path, settings) -> None:
    source = make_source()
    with running(tmp_path) as server, between_object_and_row(server, source, tmp_path) as told:
        for worker in psutil.Process(server.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        server.process.kill()
    assert told == [(0, None)]
    assert not Receipt.objects.exists()
    with running(tmp_path) as server:
        assert post(server, source, LARGE) == (202, None)
    place = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "claims": place}
    assert len(objects(tmp_path)) == 2
    assert sweep.remove_orphans(timezone.now() + timedelta(days=2)) == 1
    assert Receipt.objects.get().read() == LARGE.encode()


def test_a_database_that_goes_while_the_row_is_written_is_503_and_the_repeat_is_kept_whole(tmp_path) -> None:
    source = make_source()
    with running(tmp_path) as server:
        with between_object_and_row(server, source, tmp_path) as told:
            pass
        assert told == [(503, "5")]
        assert not Receipt.objects.exists()
        assert post(server, source, LARGE)[0] == 202
    receipt = Receipt.objects.get()
    assert (tmp_path / receipt.body_key).read_bytes() == LARGE.encode()


def test_without_a_database_everything_is_503_and_nothing_is_kept(tmp_path) -> None:
    with transaction.atomic():
        source = make_source()
    with running(tmp_path, database="postgresql://nobody@127.0.0.1:1/nothing") as server:
        assert post(server, source, SMALL) == (503, "5")
        # Said before the body has come: a sender that listens only when it has sent all may see the connection end.
        assert post(server, source, LARGE) in [(503, "5"), (0, None)]
    assert objects(tmp_path) == []


@pytest.fixture(params=FULL)
def small_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, dict[str, int]]]:
    """A place for large bodies where 8 MiB do not fit, and how to start a server with it."""
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


def test_a_full_disk_is_503_for_large_bodies_and_leaves_no_piece_of_them(small_place) -> None:
    place, how = small_place
    source = make_source()
    with running(place, **how) as server:
        assert post(server, source, LARGE) == (503, "5")
        assert not Receipt.objects.exists()
        assert objects(place) == []
        assert post(server, source, SMALL, "msg_2") == (202, None)
        assert post(server, source, "y" * MIB, "msg_3") == (202, None)
    assert Receipt.objects.count() == 2
    assert [path.stat().st_size for path in objects(place)] == [MIB]
