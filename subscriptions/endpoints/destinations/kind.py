"""Define a kind of destination: its settings, and how they are checked and tried. One file a kind.

The file is in ``delivery.destinations`` and subclasses one of two classes, which add how a message is sent:
``delivery.transports.https.kind.HttpsKind`` (requests by the curl engine) or
``delivery.transports.sockets.kind.SocketKind`` (a blocking client on a thread of its own). Only the kind ``poll``, to
which nothing is sent, subclasses ``Kind`` itself.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from webhooks.kit.kinds.setting import InvalidSettings, Setting
from webhooks.kit.kinds.system_kind import SystemKind, SystemUnavailable

__all__ = ["Connection", "DestinationUnavailable", "InvalidSettings", "Kind", "Setting"]


class DestinationUnavailable(SystemUnavailable):
    """The destination cannot be written to."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Hold what a kind needs to reach a destination: checked settings with defaults, and decrypted credentials.

    ``endpoint`` is the public id. ``share`` is the tenant, on whose behalf names are resolved and calls are made.
    ``settings`` has only the settings that were given or have a default.
    """

    endpoint: str
    share: Hashable
    settings: Mapping[str, Any]
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


class Kind(SystemKind):
    """A kind of destination; ``name`` is the ``type`` of its endpoints in the API."""

    engine: ClassVar[str] = ""
    """Name of the transport that sends for the kind (``delivery.transports.registry.ENGINES``); empty: it is pulled."""

    def check(self, connection: Connection) -> None:
        """Check settings together, without any I/O. Raises InvalidSettings."""

    def address(self, settings: Mapping[str, Any]) -> str:
        """Return where deliveries go, for lists and logs: one line without credentials, such as a URL."""
        raise NotImplementedError

    def test(self, connection: Connection) -> str:
        """Connect within five seconds, write nothing, and return a sentence of what was found.

        Raises DestinationUnavailable.
        """
        raise NotImplementedError
