"""What the keeper has to know about a server in order to run it."""

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
        """The path of the socket."""

    @abstractmethod
    def prepare(self, place: Place) -> None:
        """Make the files that have to be there before the program starts."""

    @abstractmethod
    def command(self, place: Place) -> list[str]:
        """The program and its arguments; `place.home` is among them, so that the process can be recognised."""

    @abstractmethod
    def is_ready(self, place: Place, pid: int) -> bool:
        """Whether this process accepts connections by now."""
