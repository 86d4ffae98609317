"""Describe how one attempt ended: delivered, or the class of its failure. A value, never an exception.

PURE: no Django, no clock, no network.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Failure(StrEnum):
    """Name why an attempt did not deliver. The words appear in the API, the admin and the metrics."""

    STATUS = "status"  # the destination responded, and not with success
    TIMEOUT = "timeout"  # no response within the attempt's timeout
    DNS = "dns"  # the host name did not resolve
    CONNECT = "connect"  # the host refused the connection
    UNREACHABLE = "unreachable"  # there is no way to the host: its network or itself cannot be reached
    RESET = "reset"  # the connection broke before a response
    TLS = "tls"  # the handshake failed for another reason than those below
    TLS_EXPIRED = "tls_expired"  # the certificate is not valid now
    TLS_NAME = "tls_name"  # the certificate is for another host name
    TLS_ISSUER = "tls_issuer"  # the certificate's issuer is unknown, or an intermediate certificate is missing
    TLS_VERSION = "tls_version"  # the server has no version of TLS that is allowed
    TLS_PLAINTEXT = "tls_plaintext"  # the server does not speak TLS at this port
    TLS_CLIENT = "tls_client"  # the server did not accept our client certificate, or requires one
    FORBIDDEN = "forbidden"  # the host resolved to an address that may not be called
    PROTOCOL = "protocol"  # the response had no HTTP status line, or is none of the protocol of the destination
    REFUSED = "refused"  # the destination did not accept this message
    TOO_LARGE = "too_large"  # the message is larger than the destination accepts; nothing was sent
    ACCESS_DENIED = "access_denied"  # the destination did not accept the credentials, or they allow too little
    NOT_FOUND = "not_found"  # the destination has no such queue, topic, stream or table
    THROTTLED = "throttled"  # the destination accepts no more messages for now
    UNAVAILABLE = "unavailable"  # the destination has an error of its own
    UNSIGNED = "unsigned"  # no usable signing secret; nothing was sent
    CREDENTIALS = "credentials"  # the endpoint's credentials could not be read or obtained; nothing was sent
    BODY_NOT_OBJECT = "body_not_object"  # a credential goes into the body, which is no JSON object; nothing was sent
    INTERNAL = "internal"  # an error of ours with this delivery; nothing was sent
    UNKNOWN = "unknown"  # the worker died before the attempt was recorded


class Outcome(NamedTuple):
    """Describe one ended attempt. The transport sets what it means; no other component interprets ``status``.

    ``retry_after``: seconds from the end of the attempt before which this delivery must not be tried again, as the
    destination asked or as its failure requires. ``asked_pause``: seconds in which it asked to be sent nothing at all.
    ``rejected``: it works, and did not accept this delivery. ``gone``: it no longer exists. ``overloaded``: it has more
    attempts at once than it can handle. ``not_attempted``: nothing was sent, because this process had no files or
    memory left (failure ``internal``) or the tenant no lookups (``dns``); the delivery is released without an attempt.
    ``is_final``: no retry can deliver it, since each attempt sends the same body.
    ``repeats``: why the request was sent again within the attempt, one reason for each request after the first.
    ``steps``: when each step ended, in milliseconds from the beginning, if the attempt was traced.
    """

    started_at: float  # unix seconds
    duration_ms: int
    status: int | None = None  # the destination's own code, to be recorded; None without a response
    failure: Failure | None = None
    response: bytes = b""  # the first 16 KiB of it
    headers: bytes = b""  # lines of the response's header section
    retry_after: float | None = None
    asked_pause: float | None = None
    rejected: bool = False
    gone: bool = False
    overloaded: bool = False
    not_attempted: bool = False
    is_final: bool = False
    repeats: tuple[str, ...] = ()
    steps: Mapping[str, int] | None = None

    @property
    def delivered(self) -> bool:
        """Whether the destination accepted the delivery."""
        return self.failure is None

    @property
    def is_alive(self) -> bool:
        """Whether the destination works: it accepted the delivery, or rejected this one."""
        return self.failure is None or self.rejected
