"""Start a PgBouncer of its own for a test process, on a port of loopback."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import free_port
from tests.processes import start
from tests.waiting import wait_until

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
USER = "nobody"  # it refuses to run as root


def absence() -> list[str]:
    """Return a sentence if it is not installed here."""
    return [] if PROGRAM else ["left out here: PgBouncer before the database, since there is no pgbouncer"]


@contextmanager
def pgbouncer_server(program: str, text: str, **replaced: str) -> Iterator[str]:
    """Run it with the settings of ``text`` (its ini file) and these of its last section; return host and port."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="waypost-bouncer-") as folder:
        port = free_port()
        ours = {"listen_addr": "127.0.0.1", "listen_port": str(port), "unix_socket_dir": "", **replaced}
        path = Path(folder) / "pgbouncer.ini"
        path.write_text(text + "".join(f"{name} = {value}\n" for name, value in ours.items()))
        Path(folder).chmod(0o755)
        as_user = ["--user", USER] if os.geteuid() == 0 else []
        with (Path(folder) / "log").open("wb") as log:
            server = start([program, *as_user, str(path)], cwd="/", stdout=log, stderr=log)
        wait_until(lambda: server.poll() is not None or _accepts(port), "PgBouncer")
        assert server.poll() is None, (Path(folder) / "log").read_text()
        yield f"127.0.0.1:{port}"
        server.kill()
        server.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
