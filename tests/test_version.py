"""The version is the same everywhere: package, command, user agent, status, admin."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from config.status.status import cached_status
from delivery.transports.http.compose import COMMON_HEADERS
from webhooks.version import USER_AGENT, VERSION

ROOT = Path(__file__).resolve().parent.parent


def test_version_is_that_of_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.parametrize("argument", ["version", "--version"])
def test_command_prints_the_version_of_the_platform(argument: str) -> None:
    words = [sys.executable, "manage.py", argument]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"waypost {VERSION}\n"


def test_attempts_name_the_version() -> None:
    assert f"Waypost/{VERSION}" == USER_AGENT
    assert f"user-agent: {USER_AGENT}" in COMMON_HEADERS


@pytest.mark.django_db
def test_status_has_the_version() -> None:
    cached_status.clear()
    assert Client().get("/status/").json()["version"] == VERSION


@pytest.mark.django_db
def test_footer_of_the_admin_has_the_version() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert f"Waypost {VERSION}</footer>" in client.get("/admin/").content.decode()
