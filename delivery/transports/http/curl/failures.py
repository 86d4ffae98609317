"""Say which failure a transfer ended with: by libcurl's result code, OpenSSL's results and the texts of its errors."""

import errno
from typing import Any

import pycurl

from delivery.transports.outcome import Failure

FAILURES = {
    pycurl.E_OPERATION_TIMEDOUT: Failure.TIMEOUT,
    pycurl.E_COULDNT_RESOLVE_HOST: Failure.DNS,
    pycurl.E_COULDNT_CONNECT: Failure.CONNECT,
    pycurl.E_GOT_NOTHING: Failure.RESET,
    pycurl.E_ABORTED_BY_CALLBACK: Failure.RESET,
    pycurl.E_SEND_ERROR: Failure.RESET,
    pycurl.E_RECV_ERROR: Failure.RESET,
    pycurl.E_PARTIAL_FILE: Failure.RESET,
    92: Failure.RESET,  # CURLE_HTTP2_STREAM, which pycurl does not name: the server reset the stream
    pycurl.E_SSL_CONNECT_ERROR: Failure.TLS,
    pycurl.E_PEER_FAILED_VERIFICATION: Failure.TLS,
    pycurl.E_SSL_CERTPROBLEM: Failure.TLS_CLIENT,
    pycurl.E_SSL_CIPHER: Failure.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Failure.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: Failure.TLS,
    pycurl.E_URL_MALFORMAT: Failure.INTERNAL,
    pycurl.E_FAILED_INIT: Failure.INTERNAL,
    pycurl.E_NOT_BUILT_IN: Failure.INTERNAL,
    pycurl.E_BAD_FUNCTION_ARGUMENT: Failure.INTERNAL,
    pycurl.E_UNKNOWN_OPTION: Failure.INTERNAL,
    pycurl.E_READ_ERROR: Failure.INTERNAL,
    pycurl.E_OUT_OF_MEMORY: Failure.INTERNAL,
    pycurl.E_INTERFACE_FAILED: Failure.INTERNAL,
    pycurl.E_SSL_ENGINE_NOTFOUND: Failure.INTERNAL,
    pycurl.E_SSL_ENGINE_SETFAILED: Failure.INTERNAL,
    pycurl.E_SSL_CACERT_BADFILE: Failure.INTERNAL,
    98: Failure.TLS_CLIENT,  # CURLE_SSL_CLIENTCERT, which pycurl does not name
}
"""The failure for each result code; every other code is a failure of the protocol.

What libcurl says of our own calls, or of this machine, is never shown as a failure of the endpoint.
"""

UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
"""The errors of the operating system with which a connection fails because no way leads to the host."""

CLOSED = frozenset({pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING})
"""The result codes for a connection that was closed by the other side."""

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


def tls_failure(code: int, curl: Any) -> Failure:
    """Return why TLS failed: the certificate that was not accepted, or the handshake."""
    if code == pycurl.E_PEER_FAILED_VERIFICATION:
        return CERTIFICATE.get(curl.getinfo(pycurl.SSL_VERIFYRESULT), Failure.TLS)
    return handshake_failure(curl.errstr())


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
