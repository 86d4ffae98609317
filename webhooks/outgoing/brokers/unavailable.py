"""Describe why a broker cannot be used, and what is needed to connect to one.

PURE.
"""

from collections.abc import Hashable, Mapping
from enum import StrEnum
from typing import Any, Protocol


class Cause(StrEnum):
    """Name why a broker cannot be used."""

    FORBIDDEN = "forbidden"  # an address that may not be connected to
    NOT_RESOLVED = "not_resolved"  # the name has no address
    REFUSED = "refused"  # nothing listens there
    UNREACHED = "unreached"  # not reached, or the connection ended
    TIMEOUT = "timeout"  # no response in time
    TLS = "tls"  # no trusted TLS connection
    NO_TLS = "no_tls"  # the port has no TLS
    ACCESS_DENIED = "access_denied"  # the credentials are not accepted, or allow too little
    NOT_FOUND = "not_found"  # no such topic, queue, exchange or stream
    REPORTED = "reported"  # another error that the broker reports


class BrokerUnavailable(Exception):
    """The broker cannot be used.

    The message is a sentence for the owner of the settings, without credentials; ``setting`` names the one that is to
    be corrected (``settings.host``), empty if none is.
    """

    def __init__(self, message: str, setting: str = "", cause: Cause = Cause.REPORTED) -> None:
        super().__init__(message)
        self.setting = setting
        self.cause = cause


class BrokerConnection(Protocol):
    """The settings and decrypted credentials of a source or an endpoint; ``share``: the tenant, for lookups."""

    @property
    def share(self) -> Hashable:
        """Return on whose behalf names are resolved."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return the checked settings."""

    @property
    def credentials(self) -> Mapping[str, str]:
        """Return the credentials."""


class Failing:
    """Base of connections: what they raise is made by one method, so that each direction has exceptions of its own."""

    def failed(self, problem: BrokerUnavailable) -> Exception:
        """Return the exception to raise."""
        return problem
