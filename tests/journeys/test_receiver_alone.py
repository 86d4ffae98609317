"""Test the app ``webhooks`` alone in another Django project, by following its page to the letter."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.other_project import RECEIVE, Project, commands, empty_database


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[dict[str, object]]:
    """Create an empty database on the server of the tests."""
    with django_db_blocker.unblock(), empty_database(f"shop_{os.getpid()}") as made:  # type: ignore[attr-defined]
        yield made


ORDERS = "from orders.models import Order; print(list(Order.objects.values_list('number', 'total')))"
SCHEDULE = "from shop.celery import app; print(*sorted(app.conf.beat_schedule))"
RUN_HERE = [  # the commands of the page; the key is made by ``Project``
    ["pip", "install", ".../waypost"],
    ["python", "-c", "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"],
    ["python", "manage.py", "makemigrations", "orders"],
    ["python", "manage.py", "migrate"],
    ["python", "manage.py", "source", "payments", "--base-url", "https://shop.example"],
    ["python", "manage.py", "process_receipts"],
    ["pip", "install", "requests", "standardwebhooks"],
]
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
    project = Project(tmp_path, database, lacks="pycurl")
    project.run("manage.py", "check", "--fail-level", "WARNING")
    project.run("manage.py", "makemigrations", "orders")
    project.run("manage.py", "migrate", "--verbosity", "0")
    assert project.run("manage.py", "makemigrations", "--check", "--dry-run") == "No changes detected\n"
    made = json.loads(project.run("manage.py", "source", "payments", "--base-url", "https://shop.example/"))
    assert made["url"].startswith("https://shop.example/in/src_")
    with project.serve([sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:{port}"]) as address:
        there = {"URL": made["url"].replace("https://shop.example", address), "SECRET": made["secret"]}
        assert project.run("try.py", **there).startswith("202 ")
        assert project.run("try.py", **there).startswith("200 ")
        forged = {**there, "SECRET": "whsec_" + "A" * 32}
        assert project.run("try.py", **forged).startswith("401 ")
    assert project.run("manage.py", "process_receipts", "--once") == "1 processed\n"
    project.run("manage.py", "test", "orders", "--noinput")
    assert (
        project.run("-c", SCHEDULE) == "webhooks.delete_expired_audit webhooks.process_due webhooks.read_sources "
        "webhooks.record_key_looks webhooks.replay_receipts webhooks.sweep\n"
    )
    assert project.run("manage.py", "shell", "--verbosity", "0", "-c", ORDERS) == "[('A-1', 42)]\n"
    assert project.run("manage.py", "shell", "--verbosity", "0", "-c", ADMIN) == "shown\n"
    assert "broker unavailable" not in (tmp_path / "server.log").read_text()


def test_commands_of_the_page_are_those_that_are_run_here() -> None:
    assert commands(RECEIVE) == RUN_HERE
