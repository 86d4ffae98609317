"""Receive requests with many messages, respond, and record when each message arrived.

    python -m benchmarks.wire.batch_sink RECORDS     prints its port; appends a record for each message

    POST /b/LANE    an array of events; the response is 200
    POST /          SendMessageBatch of SQS to a queue whose URL ends with /LANE; each message gets an id

Nothing is stored or checked, and JSON is not parsed, so that the sink is not what is measured. Speaks HTTP/1.1 with
Content-Length and without pipelining, as libcurl sends it.
"""

import asyncio
import os
import re
import sys
import time
from pathlib import Path

from benchmarks.wire.programs import RECORD

_DUE = re.compile(rb'\\?"due\\?":\\?"(\d{19})')  # in an event, or in the text of one
_LANE = re.compile(rb'"QueueUrl":"[^"]*/(\d+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATH = re.compile(rb"POST /b/(\d+) ")


class Receiver(asyncio.Protocol):
    """Receive the requests of one connection."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Respond if a request is complete."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end])
        found = _LENGTH.search(head)
        start = end + 4
        if len(self._received) < start + (int(found[1]) if found else 0):
            return
        body = bytes(self._received[start:])
        self._received.clear()
        assert self._transport is not None
        self._transport.write(self._respond(head, body))

    def _respond(self, head: bytes, body: bytes) -> bytes:
        """Record the messages of a request, and return the response."""
        now, dues = time.time_ns(), [int(it) for it in _DUE.findall(body)]
        path = _PATH.match(head)
        lane = path or _LANE.search(body)
        assert lane is not None, head[:200]
        os.write(self._records, b"".join(RECORD.pack(now, due, int(lane[1]), 0) for due in dues))
        content = b"" if path else _stored(len(dues))
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)


def _stored(count: int) -> bytes:
    """Return the response to SendMessageBatch whose entries have their numbers as ids."""
    entries = b",".join(b'{"Id":"%d","MessageId":"%d"}' % (number, number) for number in range(count))
    return b'{"Successful":[%s]}' % entries


async def serve(path: Path) -> None:
    """Listen on a free port of this machine until the process ends."""
    records = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(records), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
