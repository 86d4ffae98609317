"""Make a Django project that is not ours, with only the app ``webhooks``, by following its page to the letter."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from django.db import connection

from tests.ports import free_port
from tests.processes import run, start
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "how-to" / "receive-in-your-django-project.md"
BLOCK = re.compile(r"^```python\n# (\S+\.py)(, at the end)?\n(.*?)^```", re.MULTILINE | re.DOTALL)

DATABASES = """
from django.conf.global_settings import STORAGES
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", **%r}}
ALLOWED_HOSTS = ["127.0.0.1"]
"""


@contextmanager
def empty_database(name: str) -> Iterator[dict[str, object]]:
    """Create an empty database on the server of the tests; yield its settings."""
    connection.ensure_connection()
    found = connection.get_connection_params()
    where = {name: found[name] for name in ("host", "port", "user", "password") if found.get(name)}
    with psycopg.connect(**where, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield {**{key.upper(): value for key, value in where.items()}, "NAME": name}
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Project:
    """A new Django project in its own directory. ``settings``: more lines of its settings."""

    def __init__(self, folder: Path, database: dict[str, object], settings: str = "") -> None:
        self.folder = folder
        hidden = ("DJANGO_", "WAYPOST_", "PYTHON", "DATABASE_URL", "REDIS_URL", "CELERY")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environment["WAYPOST_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
        self.run("-m", "django", "startproject", "shop", ".")
        self.run("manage.py", "startapp", "orders")
        shutil.copytree(ROOT / "webhooks", folder / "webhooks", ignore=shutil.ignore_patterns("__pycache__"))
        path = folder / "shop" / "settings.py"
        path.write_text(path.read_text() + DATABASES % database + 'INSTALLED_APPS += ["orders"]\n' + settings)
        for name, at_the_end, text in BLOCK.findall(PAGE.read_text()):
            path = folder / name
            path.write_text(path.read_text() + text if at_the_end else text)

    def run(self, *arguments: str, **more: str) -> str:
        """Run Python with these arguments, and return what it prints."""
        done = run([sys.executable, *arguments], cwd=self.folder, env={**self.environment, **more}, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serve(self, command: Sequence[str]) -> Iterator[str]:
        """Run a web server, where ``{port}`` is a free port; yield its address."""
        port = free_port()
        log = self.folder / "server.log"
        with log.open("wb") as output:
            arguments = [part.format(port=port) for part in command]
            server = start(arguments, cwd=self.folder, env=self.environment, stdout=output, stderr=output)
        try:
            wait_until(lambda: _accepts_connections(port) or _fails(server, log), "the server")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _fails(server: subprocess.Popen[bytes], log: Path) -> bool:
    assert server.poll() is None, log.read_text()
    return False
