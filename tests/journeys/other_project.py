"""Make a Django project that is not ours, with apps of the built wheel, by following a page to the letter.

The files of the pages are written as they are shown; ``commands`` lists what they say to run.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from cryptography.fernet import Fernet
from django.db import connection

from tests.ports import free_port
from tests.processes import run, start
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
RECEIVE = ROOT / "docs" / "how-to" / "receive-in-your-django-project.md"
PUBLISH = ROOT / "docs" / "how-to" / "publish-from-your-django-project.md"
PYTHON_FILE = re.compile(r"^```python\n# (\S+\.py)(, at the end)?[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)

DATABASES = """
from django.conf.global_settings import STORAGES
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", **%r}}
ALLOWED_HOSTS = ["127.0.0.1"]
"""
NOT_INSTALLED = "unfold rich whitenoise storages psutil"  # in the environment of the tests, and not in the project's
SITE_CUSTOMIZE = """
import sys


class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r.split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NotInstalled())
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


@cache
def built_wheel() -> Path:
    """Build the wheel, once in this process, and return its path."""
    folder = Path(tempfile.mkdtemp(prefix="wheel-"))
    done = run([str(BIN / "uv"), "build", "--wheel", "--offline", "--out-dir", str(folder), str(ROOT)], text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("waypost-*.whl")
    return wheel


def commands(page: Path) -> list[list[str]]:
    """Return the commands of the page in order, without comments, as lists of words."""
    lines = [line for block in SHELL.findall(page.read_text()) for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


class Project:
    """A new Django project in its own directory, with the files of a page. ``settings``: more lines of its settings.

    ``lacks``: names of packages, beside NOT_INSTALLED, that its Python does not find.
    """

    def __init__(
        self, folder: Path, database: dict[str, object], settings: str = "", *, page: Path = RECEIVE, lacks: str = ""
    ) -> None:
        self.folder = folder
        hidden = ("DJANGO_", "WAYPOST_", "PYTHON", "DATABASE_URL", "REDIS_URL", "CELERY")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environment["WAYPOST_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
        self.run("-m", "django", "startproject", "shop", ".")
        self.run("manage.py", "startapp", "orders")
        self._install(folder / "installed", lacks)
        path = folder / "shop" / "settings.py"
        path.write_text(path.read_text() + DATABASES % database + 'INSTALLED_APPS += ["orders"]\n' + settings)
        for name, at_the_end, text in PYTHON_FILE.findall(page.read_text()):
            path = folder / name
            path.write_text(path.read_text() + text if at_the_end else text)

    def _install(self, site: Path, lacks: str) -> None:
        """Install the wheel without its dependencies, which are those of the tests."""
        pip = [str(BIN / "uv"), "pip", "install", "--offline", "--no-deps", "--target", str(site)]
        done = run([*pip, str(built_wheel())], text=True)
        assert done.returncode == 0, done.stderr
        (site / "sitecustomize.py").write_text(SITE_CUSTOMIZE % f"{NOT_INSTALLED} {lacks}")
        self.environment["PYTHONPATH"] = str(site)

    def run(self, *arguments: str, **more: str) -> str:
        """Run Python with these arguments, and return what it prints."""
        done = run([sys.executable, *arguments], cwd=self.folder, env={**self.environment, **more}, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serve(self, command: Sequence[str]) -> Iterator[str]:
        """Run a web server, where ``{port}`` is a free port; yield its address."""
        port = free_port()
        with self.running([part.format(port=port) for part in command], "server.log") as server:
            log = self.folder / "server.log"
            wait_until(lambda: _accepts_connections(port) or _fails(server, log), "the server")
            yield f"http://127.0.0.1:{port}"

    @contextmanager
    def running(self, command: Sequence[str], log: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Run a program in the background, with its output in this file."""
        with (self.folder / log).open("wb") as output:
            program = start(command, cwd=self.folder, env=self.environment, stdout=output, stderr=output)
        try:
            yield program
        finally:
            program.terminate()
            program.wait()


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _fails(server: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert server.poll() is None, log.read_text()
    return False
