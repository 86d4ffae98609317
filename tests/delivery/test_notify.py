"""A ring is heard if anybody listens, and is nobody's trouble if not."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from celery import current_app
from django.db import connection, transaction

from config.celery import RINGS
from delivery import notify, tasks, telemetry
from delivery.models import Lane
from tests.factories import make_endpoint
from tests.together import in_threads
from tests.waiting import wait_until

BrokerUrl = Callable[[str], None]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands where the broker would be; this process has called nobody yet."""
    made: list[str] = []
    monkeypatch.setattr(notify, "_called_at", -notify.EVERY)
    monkeypatch.setattr(notify, "call", lambda task, queue: made.append(task))
    return made


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch) -> BrokerUrl:
    """Says where the broker is to be looked for. Only the budget of a ring can end a wait for it."""
    patient = {"socket_connect_timeout": 3600.0, "socket_timeout": 3600.0}
    monkeypatch.setitem(current_app.conf, "broker_transport_options", patient)

    def look_at(url: str) -> None:
        monkeypatch.setenv("CELERY_BROKER_WRITE_URL", url)

    return look_at


class Line:
    """Stands where the broker would listen, and answers every command in the same way; None: not at all."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        self.commands = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller, suppress(OSError):
            while data := caller.recv(65536):
                self.commands += 1
                if self._answer is not None:
                    caller.sendall(self._answer * max(1, data.count(b"\r\n*") + 1))

    def close(self) -> None:
        self._server.close()


def failures() -> float:
    return float(telemetry.RINGS_FAILED.labels("broker")._value.get())


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class TestTheBroker:
    @pytest.mark.parametrize(
        "url",
        [
            "redis://127.0.0.1:{port}/0",
            "redis+socket:///nonexistent/broker.sock",
            "redis://nobody.invalid:6379/0",
        ],
    )
    def test_one_that_is_not_there_is_counted_and_not_raised(self, broker_at: BrokerUrl, url: str) -> None:
        broker_at(url.format(port=closed_port()))
        before = failures()
        notify.call("delivery.deliver_due", "delivery")
        assert failures() == before + 1

    @pytest.mark.parametrize(
        "answer",
        [
            b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
            b"-LOADING the dataset is in memory soon\r\n",
            b"-READONLY You can't write against a read only replica.\r\n",
            b"-NOAUTH Authentication required.\r\n",
            b"-ERR what?\r\n",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"\0\0\0\0",
        ],
    )
    def test_one_that_refuses_is_counted_and_not_raised(self, broker_at: BrokerUrl, answer: bytes) -> None:
        with closing(Line(answer)) as line:
            broker_at(line.url)
            before = failures()
            notify.call("delivery.deliver_due", "delivery")
            assert line.commands
            assert failures() == before + 1

    def test_one_that_says_nothing_costs_no_more_than_the_budget(self, broker_at: BrokerUrl) -> None:
        with closing(Line(None)) as line:
            broker_at(line.url)
            before, began = failures(), time.monotonic()
            notify.call("delivery.deliver_due", "delivery")
            assert line.commands
            assert failures() == before + 1
            assert time.monotonic() - began < 60  # it would be silent for an hour

    def test_what_is_called_for_are_tasks_that_exist_in_the_queues_of_beat(self) -> None:
        assert {task: queue for task, _, queue in RINGS}[notify.DRAIN] == "delivery"
        assert tasks.deliver_due.name == notify.DRAIN
        assert tasks.replay_slices.name == "delivery.replay_slices"


class TestCallingADrain:
    def test_one_process_calls_at_most_once_in_its_period(self, calls: list[str]) -> None:
        for _ in range(100):
            notify.call_drain()
        assert calls == [notify.DRAIN]

    def test_many_threads_are_one_process(self, calls: list[str]) -> None:
        in_threads(*[notify.call_drain] * 20)
        assert calls == [notify.DRAIN]

    def test_after_its_period_it_calls_again(self, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        notify.call_drain()
        monkeypatch.setattr(notify, "_called_at", notify._called_at - notify.EVERY)
        notify.call_drain()
        assert calls == [notify.DRAIN] * 2

    def test_a_successor_is_called_in_any_case(self, calls: list[str]) -> None:
        notify.call_drain()
        notify.call_drain(even_if_just_called=True)
        assert calls == [notify.DRAIN] * 2


@pytest.mark.django_db(transaction=True)
class TestTheBell:
    @pytest.fixture
    def bell(self) -> Iterator[notify.Bell]:
        with closing(notify.Bell()) as bell:
            yield bell

    def is_readable(self, bell: notify.Bell) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(bell, selectors.EVENT_READ)
            return bool(selector.select(0.05))

    def test_it_is_silent_until_somebody_rings(self, bell: notify.Bell, calls: list[str]) -> None:
        assert not self.is_readable(bell)
        assert not bell.heard()
        notify.ring([make_endpoint().id])
        wait_until(lambda: self.is_readable(bell), "the bell")
        assert bell.heard()
        assert not bell.heard()
        assert calls == [notify.DRAIN]

    def test_everybody_who_listens_hears_it(self, bell: notify.Bell, calls: list[str]) -> None:
        with closing(notify.Bell()) as other:
            notify.ring([])
            for one in (bell, other):
                wait_until(one.heard, "the bell")

    def test_before_the_commit_nobody_hears_it(self, bell: notify.Bell, calls: list[str]) -> None:
        with transaction.atomic():
            notify.ring([])
            assert not self.is_readable(bell)
        wait_until(bell.heard, "the bell")

    def test_the_lanes_are_due_when_it_is_heard(self, bell: notify.Bell, calls: list[str]) -> None:
        endpoint = make_endpoint()
        notify.ring([endpoint.id])
        wait_until(bell.heard, "the bell")
        assert Lane.objects.filter(endpoint=endpoint, due_at__isnull=False).exists()

    def test_after_its_line_was_cut_it_listens_again(self, bell: notify.Bell, calls: list[str]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
        wait_until(bell.heard, "the end of the line")  # whoever was deaf for a moment has to look
        assert bell.fileno() == -1
        assert bell.heard()
        assert bell.fileno() >= 0
        notify.ring([])
        wait_until(bell.heard, "the bell")

    def test_a_database_that_fails_is_counted_and_a_drain_is_called_all_the_same(
        self, calls: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("delivery.sql.due.MARK_LANES_DUE", "SELECT 1 / 0")
        failed: Any = telemetry.RINGS_FAILED.labels("database")._value
        before = failed.get()
        notify.ring([make_endpoint().id])
        assert failed.get() == before + 1
        assert calls == [notify.DRAIN]
