"""Translate what libcurl reports: result codes into failures, and times into the steps of a test delivery."""

import errno

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

STEPS = {
    "resolved_ms": pycurl.NAMELOOKUP_TIME,
    "connected_ms": pycurl.CONNECT_TIME,
    "tls_ms": pycurl.APPCONNECT_TIME,
    "first_byte_ms": pycurl.STARTTRANSFER_TIME,
    "total_ms": pycurl.TOTAL_TIME,
}
"""When each step of a transfer ended."""
