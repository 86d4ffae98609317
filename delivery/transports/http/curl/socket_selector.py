"""The sockets of a curl multi handle that are waited for, in a selector.

A kept connection stays registered with the selector between two requests, which saves two system calls for each of
them. A descriptor that was closed may return as another socket; so after a socket was opened, every registration is
made anew when it is needed next.
"""

from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Any

import pycurl

EVENTS = {
    pycurl.POLL_IN: EVENT_READ,
    pycurl.POLL_OUT: EVENT_WRITE,
    pycurl.POLL_INOUT: EVENT_READ | EVENT_WRITE,
}
"""The events to wait for, by what libcurl asks for."""
FLAGS = {
    EVENT_READ: pycurl.CSELECT_IN,
    EVENT_WRITE: pycurl.CSELECT_OUT,
    EVENT_READ | EVENT_WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}
"""The flags that libcurl gets for each set of events of the selector."""


class SocketSelector:
    """The descriptors that libcurl asks to wait for, and ``selector``, with which they are registered.

    ``watched``: those of the registered ones that libcurl waits for now. ``opened``: sockets opened so far.
    """

    def __init__(self) -> None:
        self.selector = DefaultSelector()
        self.watched: set[int] = set()
        self.opened = 0
        self._registered: dict[int, tuple[int, int]] = {}  # by descriptor: events, and sockets opened before

    def on_socket(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        """Register a descriptor for what libcurl waits for: the function for ``M_SOCKETFUNCTION``."""
        if what == pycurl.POLL_REMOVE:
            self.watched.discard(fd)
            return
        self.watched.add(fd)
        wanted = (EVENTS[what], self.opened)
        if self._registered.get(fd) != wanted:
            self.unregister(fd)
            self.selector.register(fd, wanted[0])
            self._registered[fd] = wanted

    def unregister(self, fd: int) -> None:
        """Wait for this descriptor no longer, if it is registered; it may be closed."""
        if self._registered.pop(fd, None) is not None:
            with suppress(KeyError, ValueError, OSError):
                self.selector.unregister(fd)
