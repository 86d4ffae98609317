"""Run a broker of Kafka that speaks SASL and accepts no password; librdkafka's mock cluster has no SASL.

Apache Kafka protocol: ApiVersions (18), SaslHandshake (17), SaslAuthenticate (36), each in version 0 or 1.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_APIS = {0: (0, 3), 3: (0, 4), 17: (0, 1), 18: (0, 0), 36: (0, 1)}  # by key: the lowest and the highest version
_UNSUPPORTED_VERSION, _AUTHENTICATION_FAILED = 35, 58
TEXT = b"Authentication failed: Invalid username or password"


@contextmanager
def denying_kafka() -> Iterator[int]:
    """Return the port of a broker."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    threading.Thread(target=_serve, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _serve(connection: socket.socket) -> None:
    with suppress(OSError, struct.error), connection, connection.makefile("rb") as stream:
        while head := stream.read(4):
            request = stream.read(struct.unpack(">i", head)[0])
            api, version, correlation = struct.unpack_from(">hhi", request)
            response = struct.pack(">i", correlation) + _response(api, version)
            connection.sendall(struct.pack(">i", len(response)) + response)


def _response(api: int, version: int) -> bytes:
    if api == 18:
        error = _UNSUPPORTED_VERSION if version else 0
        listed = b"".join(struct.pack(">hhh", key, *versions) for key, versions in _APIS.items())
        return struct.pack(">hi", error, len(_APIS)) + listed
    if api == 17:
        return struct.pack(">hih", 0, 1, 5) + b"PLAIN"
    lifetime = struct.pack(">q", 0) if version else b""
    return struct.pack(">hh", _AUTHENTICATION_FAILED, len(TEXT)) + TEXT + struct.pack(">i", 0) + lifetime
