"""Define what the keeper needs to run a server."""

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from config.local.embedded.place import Place


class Server(ABC):
    """A program that listens on a Unix socket and keeps its files below `place.home`."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]

    @abstractmethod
    def socket(self, place: Place) -> Path:
        """Return the path of the socket."""

    @abstractmethod
    def prepare(self, place: Place) -> None:
        """Create the files that must exist before the program starts."""

    @abstractmethod
    def command(self, place: Place) -> list[str]:
        """Return the program and its arguments, `place.home` among them, by which the process is recognised."""

    @abstractmethod
    def is_ready(self, place: Place, pid: int) -> bool:
        """Return whether the process accepts connections."""
