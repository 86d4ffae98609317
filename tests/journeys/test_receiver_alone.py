"""Test the app ``webhooks`` alone in another Django project, by following its page to the letter."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
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


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[dict[str, object]]:
    """Create an empty database on the server of the tests."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        connection.ensure_connection()
        found = connection.get_connection_params()
    where = {name: found[name] for name in ("host", "port", "user", "password") if found.get(name)}
    name = f"shop_{os.getpid()}"
    with psycopg.connect(**where, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield {**{key.upper(): value for key, value in where.items()}, "NAME": name}
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Project:
    """A new Django project in its own directory, with only the app of ours."""

    def __init__(self, folder: Path, database: dict[str, object]) -> None:
        self.folder = folder
        hidden = ("DJANGO_", "WAYPOST_", "PYTHON", "DATABASE_URL", "REDIS_URL", "CELERY")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        self.environment["WAYPOST_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
        self.run("-m", "django", "startproject", "shop", ".")
        self.run("manage.py", "startapp", "orders")
        shutil.copytree(ROOT / "webhooks", folder / "webhooks", ignore=shutil.ignore_patterns("__pycache__"))
        settings = folder / "shop" / "settings.py"
        settings.write_text(settings.read_text() + DATABASES % database + 'INSTALLED_APPS += ["orders"]\n')
        for name, at_the_end, text in BLOCK.findall(PAGE.read_text()):
            path = folder / name
            path.write_text(path.read_text() + text if at_the_end else text)

    def run(self, *arguments: str, **more: str) -> str:
        done = run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self) -> tuple[subprocess.Popen[bytes], str]:
        port = free_port()
        command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        with (self.folder / "server.log").open("wb") as log:
            server = start(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log)
        wait_until(lambda: _accepts_connections(port), "the server")
        return server, f"http://127.0.0.1:{port}"


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


ORDERS = "from orders.models import Order; print(list(Order.objects.values_list('number', 'total')))"
ADMIN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client(SERVER_NAME="127.0.0.1")
client.force_login(User.objects.create_superuser("ops"))
for page in ("source", "receipt", "rejection"):
    listed = client.get(f"/admin/webhooks/{page}/")
    assert listed.status_code == 200, page
from webhooks.models import Receipt
receipt = Receipt.objects.get()
for page in (f"receipt/{receipt.pk}/change", f"receipt/{receipt.pk}/replay", f"source/{receipt.source_id}/change"):
    assert client.get(f"/admin/webhooks/{page}/").status_code == 200, page
print("shown")
"""


def test_page_followed_in_a_new_project_handles_an_order(tmp_path: Path, database: dict[str, object]) -> None:
    project = Project(tmp_path, database)
    project.run("manage.py", "check", "--fail-level", "WARNING")
    project.run("manage.py", "makemigrations", "orders")
    project.run("manage.py", "migrate", "--verbosity", "0")
    assert project.run("manage.py", "makemigrations", "--check", "--dry-run") == "No changes detected\n"
    made = json.loads(project.run("manage.py", "source", "payments"))
    server, address = project.serve()
    try:
        there = {"URL": address + made["url"], "SECRET": made["secret"]}
        assert project.run("try.py", **there).startswith("202 ")
        assert project.run("try.py", **there).startswith("200 ")
        forged = {**there, "SECRET": "whsec_" + "A" * 32}
        assert project.run("try.py", **forged).startswith("401 ")
    finally:
        server.terminate()
        server.wait()
    assert project.run("manage.py", "process_receipts", "--once") == "1 processed\n"
    assert project.run("manage.py", "shell", "--verbosity", "0", "-c", ORDERS) == "[('A-1', 42)]\n"
    assert project.run("manage.py", "shell", "--verbosity", "0", "-c", ADMIN) == "shown\n"
    assert "worker wake-up failed" not in (tmp_path / "server.log").read_text()
