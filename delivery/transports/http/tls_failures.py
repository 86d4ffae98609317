"""Classify TLS failures, by OpenSSL's result for the certificate, or by the text of the handshake's error."""

from delivery.transports.outcome import Failure

# OpenSSL's results of checking a certificate (verify(1), "Diagnostics").
CERTIFICATE = {
    0: Failure.TLS_NAME,  # no error: libcurl compares the name itself
    1: Failure.TLS_NAME,  # unspecified: the same
    9: Failure.TLS_EXPIRED,  # not valid yet
    10: Failure.TLS_EXPIRED,
    2: Failure.TLS_ISSUER,  # the issuer's certificate is missing
    18: Failure.TLS_ISSUER,  # signed by itself
    19: Failure.TLS_ISSUER,  # an unknown authority in the chain
    20: Failure.TLS_ISSUER,  # the issuer's certificate is missing: often an intermediate one
    21: Failure.TLS_ISSUER,
    62: Failure.TLS_NAME,
    64: Failure.TLS_NAME,  # an IP address
}
# Texts of OpenSSL's errors, in lower case. The first that is found decides.
HANDSHAKE = {
    "wrong version number": Failure.TLS_PLAINTEXT,  # what was received is no TLS record
    "http request": Failure.TLS_PLAINTEXT,
    "packet length too long": Failure.TLS_PLAINTEXT,
    "unsupported protocol": Failure.TLS_VERSION,
    "protocol version": Failure.TLS_VERSION,
    "no protocols available": Failure.TLS_VERSION,
    "certificate required": Failure.TLS_CLIENT,
    "bad certificate": Failure.TLS_CLIENT,
    "unknown ca": Failure.TLS_CLIENT,
    "certificate unknown": Failure.TLS_CLIENT,
    "unsupported certificate": Failure.TLS_CLIENT,
    "certificate expired": Failure.TLS_CLIENT,
    "certificate revoked": Failure.TLS_CLIENT,
    "access denied": Failure.TLS_CLIENT,
}


def certificate_failure(result: int) -> Failure:
    """Return why a certificate was not accepted; ``result``: that of OpenSSL."""
    return CERTIFICATE.get(result, Failure.TLS)


def handshake_failure(message: str) -> Failure:
    """Return why a handshake failed, from libcurl's message."""
    lowered = message.lower()
    return next((failure for text, failure in HANDSHAKE.items() if text in lowered), Failure.TLS)


def is_client_refused(message: str) -> bool:
    """Tell from libcurl's message whether the server closed the connection because of our client certificate.

    With TLS 1.3 our side of the handshake is complete before the server has looked at the certificate (RFC 8446,
    section 4.4.2.4), so its alert arrives in place of a response.
    """
    return "alert" in message.lower() and handshake_failure(message) is Failure.TLS_CLIENT
