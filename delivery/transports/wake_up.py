"""Wake a loop that waits on file descriptors, from another thread."""

import socket
from contextlib import suppress


class WakeUp:
    """Make a descriptor readable: ``set`` from any thread, ``clear`` by the thread that waits on ``fileno``."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._reader.fileno()

    def set(self) -> None:
        """Make the descriptor readable."""
        with suppress(OSError):  # full of wake-ups that are still to be read, or closed meanwhile
            self._writer.send(b"!")

    def clear(self) -> None:
        """Make the descriptor unreadable until the next ``set``."""
        with suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def close(self) -> None:
        """Close both ends."""
        self._reader.close()
        self._writer.close()
