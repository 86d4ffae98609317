"""Connect to a NATS server to read a stream."""

from webhooks.outgoing.brokers import nats_server
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.sources.kinds.unavailable import source_unavailable


class Server(nats_server.Server):
    """An open connection. Methods raise SourceUnavailable."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, connection.source)

    def failed(self, problem: BrokerUnavailable) -> SourceUnavailable:
        """Return the exception to raise."""
        return source_unavailable(problem)
