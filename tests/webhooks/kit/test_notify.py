"""Test wake-up messages: they arrive, are throttled, and never fail their caller."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from types import SimpleNamespace
from uuid import uuid4

import pytest
from celery import current_app
from django.db import connection, transaction

from tests.metrics import metric
from tests.waiting import wait_until
from webhooks import tasks
from webhooks.kit import notify
from webhooks.kit.notify import Listener, TaskNotifier, send_task
from webhooks.processing.notify import receipt_workers

BrokerUrl = Callable[[str], None]


class App:
    """Record the messages that are sent to the queue of the test instead of sending them.

    The threads of notifiers outlive their tests, so those of other tests send by this app too: to their own queues.
    """

    conf = SimpleNamespace(broker_url="memory://")

    def __init__(self) -> None:
        self.queue = f"queue-{uuid4()}"
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.has_sent = threading.Event()

    def notifier(self, pause: float = 0.02) -> TaskNotifier:
        return TaskNotifier("webhooks.process_due", self.queue, pause=pause)

    def send_task(self, name: str, **options: object) -> None:
        if options["queue"] == self.queue:
            self.sent.append((name, options))
            self.has_sent.set()


class AppWithoutBroker(App):
    def send_task(self, name: str, **options: object) -> None:
        raise ConnectionRefusedError


class FakeBroker:
    """Listen where the broker would, and give the same reply to each command; None: never reply."""

    def __init__(self, reply: bytes | None) -> None:
        self._reply = reply
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
                if self._reply is not None:
                    caller.sendall(self._reply * max(1, data.count(b"\r\n*") + 1))

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    app = App()
    monkeypatch.setattr(notify, "current_app", app)
    return app


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch) -> BrokerUrl:
    """Set the broker's address, with timeouts so long that only send_task's own budget can end a wait."""
    patient = {"socket_connect_timeout": 3600.0, "socket_timeout": 3600.0}
    monkeypatch.setitem(current_app.conf, "broker_transport_options", patient)
    return lambda url: monkeypatch.setenv("CELERY_BROKER_WRITE_URL", url)


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the channels of the failures that the test's thread counts: threads of other tests may fail beside it."""
    channels: list[str] = []
    own, count = threading.get_ident(), notify.WAKEUPS_FAILED.add

    def add(number: float, channel: str) -> None:
        channels.extend([channel] * int(number) if threading.get_ident() == own else [])
        count(number, channel)

    monkeypatch.setattr(notify.WAKEUPS_FAILED, "add", add)
    return channels


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class TestTaskNotifier:
    def test_notify_sends_a_message_without_content_to_the_queue(self, app: App) -> None:
        app.notifier().notify()
        app.has_sent.wait()
        name, options = app.sent[0]
        assert (name, options["queue"]) == ("webhooks.process_due", app.queue)
        assert not {"args", "kwargs"} & options.keys()

    def test_many_notifications_become_few_messages(self, app: App) -> None:
        one = app.notifier()
        for _ in range(10_000):
            one.notify()
        app.has_sent.wait()
        assert len(app.sent) < 100

    def test_notify_after_the_pause_sends_again(self, app: App) -> None:
        one = app.notifier()
        one.notify()
        app.has_sent.wait()
        app.has_sent.clear()
        one.notify()
        app.has_sent.wait()

    def test_notify_within_the_pause_sends_once(self, app: App) -> None:
        TaskNotifier("webhooks.process_due", "default", pause=0.0).notify()  # as a test before this may have left it
        one = app.notifier(pause=3600.0)
        for _ in range(100):
            one.notify()
        app.has_sent.wait()
        assert len(app.sent) == 1

    def test_send_that_fails_is_counted_and_not_raised(
        self, failed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = AppWithoutBroker()
        monkeypatch.setattr(notify, "current_app", app)
        before = metric("waypost_wakeups_failed_total", channel="broker")
        assert app.notifier().send() is False
        assert failed == ["broker"]
        assert metric("waypost_wakeups_failed_total", channel="broker") > before

    def test_notify_without_a_thread_is_counted_and_not_raised(
        self, app: App, failed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_thread(*_: object, **__: object) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", no_thread)
        app.notifier().notify()
        assert failed == ["broker"]

    def test_send_in_a_project_without_a_broker_does_nothing(
        self, app: App, failed: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(app, "conf", SimpleNamespace(broker_url=None))
        assert app.notifier().send() is True
        assert (app.sent, failed) == ([], [])

    def test_task_of_the_receiver_is_registered(self) -> None:
        assert receipt_workers.task in {periodic.name for periodic in tasks.PERIODIC_TASKS}
        assert {"webhooks.process_due", "webhooks.sweep"} <= current_app.tasks.keys()


class TestSendTask:
    @pytest.mark.parametrize(
        "url",
        [
            "redis://127.0.0.1:{port}/0",
            "redis+socket:///nonexistent/broker.sock",
            "redis://unknown.invalid:6379/0",
        ],
    )
    def test_unreachable_broker_is_counted_and_not_raised(
        self, broker_at: BrokerUrl, failed: list[str], url: str
    ) -> None:
        broker_at(url.format(port=closed_port()))
        send_task("delivery.deliver_due", "delivery")
        assert failed == ["broker"]

    @pytest.mark.parametrize(
        "reply",
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
    def test_error_reply_of_the_broker_is_counted_and_not_raised(
        self, broker_at: BrokerUrl, failed: list[str], reply: bytes
    ) -> None:
        with closing(FakeBroker(reply)) as broker:
            broker_at(broker.url)
            send_task("delivery.deliver_due", "delivery")
            assert broker.commands
            assert failed == ["broker"]

    def test_broker_that_never_replies_costs_only_the_budget(self, broker_at: BrokerUrl, failed: list[str]) -> None:
        with closing(FakeBroker(None)) as broker:
            broker_at(broker.url)
            began = time.monotonic()
            send_task("delivery.deliver_due", "delivery")
            assert broker.commands
            assert failed == ["broker"]
            assert time.monotonic() - began < 60  # the configured timeouts are an hour


@pytest.mark.django_db(transaction=True)
class TestListener:
    @pytest.fixture
    def listener(self) -> Iterator[Listener]:
        with closing(Listener("kit_test", missed="missed")) as listener:
            yield listener

    def send(self, payload: str = "") -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify('kit_test', %s)", [payload])

    def is_readable(self, listener: Listener) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            return bool(selector.select(0.05))

    def test_listener_is_readable_once_a_notification_was_sent(self, listener: Listener) -> None:
        assert not self.is_readable(listener)
        assert not listener.received()
        self.send("a")
        wait_until(lambda: self.is_readable(listener), "the notification")
        assert listener.received() == {"a"}
        assert not listener.received()

    def test_every_listener_receives_a_notification(self, listener: Listener) -> None:
        with closing(Listener("kit_test", missed="missed")) as other:
            self.send()
            for one in (listener, other):
                wait_until(one.received, "the notification")

    def test_notification_is_not_received_before_the_commit(self, listener: Listener) -> None:
        with transaction.atomic():
            self.send()
            assert not self.is_readable(listener)
        wait_until(listener.received, "the notification")

    def test_listener_whose_connection_was_cut_reports_a_miss_and_listens_again(self, listener: Listener) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s", ['LISTEN "kit_test%']
            )
        found: list[set[str]] = []
        wait_until(lambda: found.append(listener.received()) or found[-1], "the end of the connection")
        assert found[-1] == {"missed"}
        assert listener.fileno() == -1
        assert listener.received() == {"missed"}
        assert listener.fileno() >= 0
        self.send("again")
        wait_until(lambda: found.append(listener.received()) or found[-1], "the notification")
        assert found[-1] == {"again"}
