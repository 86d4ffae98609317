from typing import Any

import pytest

from tests.webhooks.sources.kinds.kafka.mock_cluster import MockCluster
from tests.webhooks.sources.kinds.reading import connection_to
from webhooks.sources.kinds.kafka import values
from webhooks.sources.kinds.kafka.source import Kafka
from webhooks.sources.kinds.kind import Connection


@pytest.fixture(scope="session")
def kafka() -> MockCluster:
    """A mock cluster for the whole session."""
    return MockCluster()


@pytest.fixture
def topic(kafka: MockCluster) -> str:
    """A new topic."""
    return kafka.topic()


@pytest.fixture(autouse=True)
def no_cached_schemas() -> None:
    """Forget schemas of other tests."""
    values._cache.clear()


def settings_of(kafka: MockCluster, topic: str, **settings: Any) -> dict[str, Any]:
    """Return the settings of a source that reads a topic of the mock cluster from its beginning."""
    return {"bootstrap_servers": kafka.servers, "topic": topic, "tls": False, "start": "earliest", **settings}


def connect(kafka: MockCluster, topic: str, **settings: Any) -> Connection:
    """Return what the kind connects with."""
    return connection_to(Kafka(), settings_of(kafka, topic, **settings), {})
