from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import AMQPError

from tests.brokers.amqp.server import RabbitMq


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """Return a running broker."""
    folder: Path = tmp_path_factory.mktemp("rabbitmq")
    broker = RabbitMq(folder)
    broker.start()
    yield broker
    broker.end()


@pytest.fixture
def channel(rabbitmq: RabbitMq) -> Iterator[Any]:
    """Return a channel of the vendor's client."""
    connection = rabbitmq.connect()
    yield connection.channel()
    with suppress(OSError, AMQPError):  # the test may have restarted the broker
        connection.close()
