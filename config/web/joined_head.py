"""Write the head of a response together with the first piece of its body: one system call and one packet less."""

import asyncio


class JoinedHead:
    """The transport of one response, as far as uvicorn uses it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Write bytes; hold back those of the head."""
        if data.startswith(b"HTTP/1.1 100"):
            self._transport.write(data)
        elif self._head is None:
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = b""

    def is_closing(self) -> bool:
        """Return whether the connection is being closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write what is held back, and close the connection."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()
