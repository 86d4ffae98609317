"""Say what a broker that cannot be used means for an attempt, for the kinds whose connections sources share."""

from delivery.transports.outcome import Failure
from delivery.transports.send_failed import SendFailed
from webhooks.outgoing.brokers.unavailable import BrokerUnavailable, Cause

_FAILURES = {
    Cause.FORBIDDEN: Failure.FORBIDDEN,
    Cause.NOT_RESOLVED: Failure.DNS,
    Cause.REFUSED: Failure.CONNECT,
    Cause.UNREACHED: Failure.RESET,
    Cause.TIMEOUT: Failure.TIMEOUT,
    Cause.TLS: Failure.TLS,
    Cause.NO_TLS: Failure.TLS_PLAINTEXT,
    Cause.ACCESS_DENIED: Failure.ACCESS_DENIED,
    Cause.NOT_FOUND: Failure.NOT_FOUND,
    Cause.REPORTED: Failure.UNAVAILABLE,
}


def broker_failed(problem: BrokerUnavailable) -> SendFailed:
    """Return the failure of an attempt; it names the same setting."""
    return SendFailed(_FAILURES[problem.cause], str(problem), setting=problem.setting)
