"""Test the ticks of the schedule: messages to a real broker, and one that is away or hangs."""

import socket
from collections.abc import Iterator

import pytest
from celery import Celery
from structlog.testing import capture_logs

from config.schedule import ticker
from config.schedule.plan import periodic_tasks
from config.schedule.ticker import Ticker

pytestmark = pytest.mark.django_db(transaction=True)


def app_of(broker: str) -> Celery:
    app = Celery("ticks", broker=broker, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "ticks-test:"}
    return app


@pytest.fixture
def refusing() -> Iterator[str]:
    """Return the URL of a broker where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{unused.getsockname()[1]}/0"


@pytest.fixture
def hanging() -> Iterator[str]:
    """Return the URL of a broker that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_tick_sends_a_message_for_a_task_that_is_due(broker: str) -> None:
    app = app_of(broker)
    one = Ticker(app)
    try:
        assert one.tick() > 0
        with app.connection_for_read() as reader:
            queues = {task.queue for task in periodic_tasks()}
            found = [message for queue in queues if (message := reader.SimpleQueue(queue).get(timeout=60))]
            assert {it.headers["task"] for it in found} <= {task.name for task in periodic_tasks()}
            assert all(it.headers["expires"] for it in found)
            for queue in queues:
                reader.SimpleQueue(queue).clear()
    finally:
        one.close()


def test_tick_logs_once_and_sends_all_again_while_the_broker_refuses(refusing: str) -> None:
    one = Ticker(app_of(refusing))
    with capture_logs() as lines:
        pauses = [one.tick() for _ in range(3)]
    one.close()
    assert [line["event"] for line in lines] == ["broker unavailable"]
    assert all(pause > 0 for pause in pauses)


def test_tick_gives_up_a_broker_that_hangs_and_pauses_longer_than_it_waited(
    hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticker, "BROKER_WITHIN", 0.3)
    one = Ticker(app_of(hanging))
    with capture_logs() as lines:
        pause = one.tick()
    one.close()
    assert len(lines) == 1
    assert ticker.PAUSE * 0.3 <= pause < ticker.PAUSE * 60.0
