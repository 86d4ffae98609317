"""Name in a few words why an attempt failed, for lists and charts. ``delivery.reading.timeline`` says what to do."""

from delivery.transports.outcome import Failure

FAILURE_NAMES: dict[Failure, str] = {
    Failure.STATUS: "no success",
    Failure.TIMEOUT: "timeout",
    Failure.DNS: "host name not found",
    Failure.CONNECT: "connection refused",
    Failure.UNREACHABLE: "host unreachable",
    Failure.RESET: "connection closed",
    Failure.TLS: "TLS handshake failed",
    Failure.TLS_EXPIRED: "certificate expired",
    Failure.TLS_NAME: "certificate for another host",
    Failure.TLS_ISSUER: "unknown certificate issuer",
    Failure.TLS_VERSION: "TLS version too old",
    Failure.TLS_PLAINTEXT: "no TLS at this port",
    Failure.TLS_CLIENT: "client certificate not accepted",
    Failure.FORBIDDEN: "address not allowed",
    Failure.PROTOCOL: "no HTTP response",
    Failure.REFUSED: "message not accepted",
    Failure.TOO_LARGE: "message too large",
    Failure.ACCESS_DENIED: "access denied",
    Failure.NOT_FOUND: "destination not found",
    Failure.THROTTLED: "throttled",
    Failure.UNAVAILABLE: "destination unavailable",
    Failure.UNSIGNED: "not signed: no usable secret",
    Failure.CREDENTIALS: "no OAuth token",
    Failure.BODY_NOT_OBJECT: "no place for the credential",
    Failure.INTERNAL: "internal error",
    Failure.UNKNOWN: "unknown: worker crashed",
}


def failure_name(kind: str) -> str:
    """Return a kind of failure in words; any other text, such as an HTTP status, as it is."""
    return FAILURE_NAMES[Failure(kind)] if kind in set(Failure) else kind
