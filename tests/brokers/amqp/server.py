"""Run RabbitMQ as a process of the tests, with data, ports and an Erlang port mapper of its own."""

import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import amqp
import psutil

from tests.brokers.debian import missing
from tests.pki import Authority
from tests.ports import free_port
from tests.processes import run, start
from tests.waiting import wait_until

PROGRAM, CONTROL = "/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmqctl"
USER, PASSWORD, VIRTUAL_HOST = "reader", "secret of the reader", "shop"


def absence() -> str:
    """Return why RabbitMQ cannot be run here, after trying to install it; empty if it can."""
    return missing("rabbitmq-server", PROGRAM) or ("" if shutil.which("epmd") else "epmd is missing")


class RabbitMq:
    """A broker with the user ``reader``, who may use the virtual host ``shop``, and ``outsider``, who may not."""

    def __init__(self, folder: Path) -> None:
        self.port, self.tls_port, self._mapper_port, self._dist_port = (free_port() for _ in range(4))
        self.authority = Authority()
        self._folder = folder
        self._mapper: subprocess.Popen[Any] | None = None
        self._node: subprocess.Popen[Any] | None = None
        self._configure()

    def _configure(self) -> None:
        issued = self.authority.issue("localhost")
        for name, text in (("ca", self.authority.pem), ("cert", issued.pem), ("key", issued.key)):
            (self._folder / f"{name}.pem").write_text(text)
        permissions = {"vhost": VIRTUAL_HOST, "configure": ".*", "write": ".*", "read": ".*"}
        users = [{"name": name, "password_hash": hashed(PASSWORD), "tags": []} for name in (USER, "outsider")]
        definitions = {
            "users": users,
            "vhosts": [{"name": VIRTUAL_HOST}, {"name": "other"}],
            "permissions": [{"user": USER, **permissions}],
        }
        (self._folder / "definitions.json").write_text(json.dumps(definitions))
        lines = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "listeners.ssl.1": f"127.0.0.1:{self.tls_port}",
            "ssl_options.cacertfile": self._folder / "ca.pem",
            "ssl_options.certfile": self._folder / "cert.pem",
            "ssl_options.keyfile": self._folder / "key.pem",
            "load_definitions": self._folder / "definitions.json",
            "log.console": "false",
            "vm_memory_high_watermark.absolute": "512MB",
            "disk_free_limit.absolute": "1MB",
        }
        (self._folder / "rabbitmq.conf").write_text("".join(f"{name} = {it}\n" for name, it in lines.items()))

    def start(self) -> None:
        """Start the broker and wait until it accepts logins and TLS."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": self._environment()}
        if self._mapper is None:
            self._mapper = start(["epmd", "-port", str(self._mapper_port), "-address", "127.0.0.1"], **quiet)
        self._node = start([PROGRAM], start_new_session=True, **quiet)
        wait_until(self._accepts, "RabbitMQ to accept logins and TLS", every=0.1)

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        }

    def _accepts(self) -> bool:
        """Return whether both listeners accept connections."""
        assert self._node is not None
        assert self._node.poll() is None, "RabbitMQ has ended"
        trusting = ssl.create_default_context(cadata=self.authority.pem)
        try:
            self.connect().close()
            address = ("127.0.0.1", self.tls_port)
            with (
                socket.create_connection(address, timeout=5) as opened,
                trusting.wrap_socket(opened, server_hostname="localhost"),
            ):
                return True
        except (OSError, amqp.exceptions.AMQPError):
            return False

    def stop(self) -> None:
        """Kill the broker, as a crash does.

        A broker that is killed soon after a durable queue was declared may have lost that queue, with what it has
        confirmed: the queues are in a database (Mnesia) that cannot always read the end of its log. So that log is
        written to the tables first.
        """
        dumped = run([CONTROL, "eval", "mnesia:dump_log()."], env=self._environment())
        assert b"dumped" in dumped.stdout, dumped
        self._kill()

    def _kill(self) -> None:
        """Return when the ports are free: the broker's shell ends before the broker does."""
        if self._node is not None:
            below = psutil.Process(self._node.pid).children(recursive=True)
            os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait()
            psutil.wait_procs(below)
            self._node = None

    def end(self) -> None:
        """Kill the broker and its port mapper."""
        self._kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()

    def connect(self) -> Any:
        """Return a connection of the client library."""
        connection = amqp.Connection(
            f"127.0.0.1:{self.port}",
            USER,
            PASSWORD,
            "PLAIN",
            virtual_host=VIRTUAL_HOST,
            connect_timeout=5,
            socket_settings={socket.TCP_USER_TIMEOUT: 60_000},  # milliseconds
        )
        connection.connect()
        return connection


def hashed(password: str) -> str:
    """Return the hash of a password in the form of RabbitMQ's definitions, with a salt of zeros."""
    salt = bytes(4)
    return b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
