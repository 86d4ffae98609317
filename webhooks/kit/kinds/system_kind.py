"""Declare what every kind of system has, whether sources read from it or endpoints write to it."""

from typing import ClassVar

from webhooks.kit.kinds.setting import Setting


class SystemUnavailable(Exception):
    """The other system cannot be used: not reached, access denied, no such table, topic or queue.

    ``setting`` names what is to be corrected (``settings.topic``); empty if nothing is. The message is a sentence for
    the owner of the source or endpoint, without credentials.
    """

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


class SystemKind:
    """A kind of system. One instance serves all sources or endpoints of the kind, so it has no state."""

    name: ClassVar[str]
    """Name in the API, at most 32 characters."""
    label: ClassVar[str]
    description: ClassVar[str]
    """One or two sentences: what becomes an event, or what an event becomes, and the delivery guarantee."""
    settings: ClassVar[tuple[Setting, ...]] = ()
    modules: ClassVar[tuple[str, ...]] = ()
    """The modules that have to be installed, and ``extra``, the extra of the installation that brings them."""
    extra: ClassVar[str] = ""
