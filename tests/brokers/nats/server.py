"""Run a NATS server with JetStream as a process of the tests, with data and a port of its own."""

import socket
import subprocess
from pathlib import Path
from typing import Any

import nkeys

from tests.brokers.debian import missing
from tests.pki import Authority
from tests.ports import free_port
from tests.processes import start
from tests.waiting import wait_until

PROGRAM = "/usr/sbin/nats-server"
USER, PASSWORD = "reader", "secret of the reader"
WRITER = "writer"  # with the same password: may only publish, to *.allowed
SEED = "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"  # of the documentation of NATS


def absence() -> str:
    """Return why the server cannot be run here, after trying to install it; empty if it can."""
    return missing("nats-server", PROGRAM)


class NatsServer:
    """A server with the user ``reader`` and the NKey of SEED; with an authority, one that requires TLS."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[Any] | None = None
        self._file = folder / "nats.conf"
        tls = ""
        if authority is not None:
            issued = authority.issue("localhost")
            (folder / "cert.pem").write_text(issued.pem)
            (folder / "key.pem").write_text(issued.key)
            tls = f'tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem" }}'
        public = nkeys.from_seed(SEED.encode()).public_key.decode()
        self._file.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder}/data" }}\nmax_payload: 8MB\n{tls}\n'
            f'authorization {{ users: [ {{ user: "{USER}", password: "{PASSWORD}" }}, {{ nkey: "{public}" }}, {{ '
            f'user: "{WRITER}", password: "{PASSWORD}", permissions: {{ publish: "*.allowed" }} }} ] }}\n'
        )

    def start(self) -> None:
        """Start the server and wait until it listens."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = start([PROGRAM, "-c", str(self._file)], **quiet)
        wait_until(self._listens, "the NATS server to listen")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the NATS server has ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Kill the server, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
