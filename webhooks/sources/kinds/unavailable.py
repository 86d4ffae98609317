"""Make what is wrong with a broker an exception of a source."""

from webhooks.outgoing.brokers.unavailable import BrokerUnavailable
from webhooks.sources.kinds.kind import SourceUnavailable


def source_unavailable(problem: BrokerUnavailable) -> SourceUnavailable:
    """Return the exception of the source."""
    return SourceUnavailable(str(problem), problem.setting)
