"""Answer DNS queries on loopback: names below hang.example never, all others below example with 127.0.0.1.

The platform uses this server in a mount namespace of its own, where /etc/resolv.conf names it; so the machine's
configuration is untouched. Needs root.
"""

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Self

ADDRESS = ("127.0.0.153", 53)
TTL = 2  # seconds
SLOW = 3.0  # seconds before an answer below slow.example
HEADER = struct.Struct("!6H")
A, RESPONSE, NO_SUCH_NAME = 1, 0x8180, 0x8183


class NameServer:
    """Use as a context manager. ``asked`` counts the queries by name."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(ADDRESS)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="name server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ADDRESS)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            if not query:
                return
            name, kind, end = _question(query)
            self.asked[name] += 1
            if name.endswith("hang.example"):
                continue
            answer = _answer(query, name, kind, end)
            if name.endswith("slow.example"):
                threading.Timer(SLOW, self._socket.sendto, (answer, client)).start()
            else:
                self._socket.sendto(answer, client)


def _question(query: bytes) -> tuple[str, int, int]:
    """Return the name, its type, and where the question ends."""
    labels, at = [], HEADER.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += length + 1
    return ".".join(labels), struct.unpack_from("!H", query, at + 1)[0], at + 5


def _answer(query: bytes, name: str, kind: int, end: int) -> bytes:
    """Return one address for a query of type A below example, no record for other types, else NXDOMAIN."""
    known = name.endswith(".example")
    (number,) = struct.unpack_from("!H", query)
    record = b"\xc0\x0c" + struct.pack("!HHIH", A, 1, TTL, 4) + bytes([127, 0, 0, 1]) if known and kind == A else b""
    head = HEADER.pack(number, RESPONSE if known else NO_SUCH_NAME, 1, 1 if record else 0, 0, 0)
    return head + query[HEADER.size : end] + record


def prefix(directory: Path) -> list[str]:
    """Return the words before a command that make it use this server."""
    configuration = directory / "resolv.conf"
    configuration.write_text(f"nameserver {ADDRESS[0]}\noptions timeout:5 attempts:2\n")
    configuration.chmod(0o644)
    mount = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, str(configuration)]


def is_available() -> bool:
    """Return whether this machine can give the platform a name server of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    done = subprocess.run(["unshare", "--mount", "mount", "--bind", "/etc/hosts", "/etc/hosts"], capture_output=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(ADDRESS)
        except OSError:
            return False
    return done.returncode == 0
