"""What an operator meets: a safe platform with the required variables, a clear line without one of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.test import Client
from django.utils.module_loading import import_string

ROOT = Path(settings.BASE_DIR)
REQUIRED = {
    "SECRET_KEY": "x8" * 16 + "-abcdefghijklmnopqrstuvwxyz",
    "WAYPOST_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "PUBLIC_URL": "https://waypost.example",
}


def manage(data: Path, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run manage.py with nothing but these variables."""
    clean = {"PATH": os.environ["PATH"], "WAYPOST_DATA": str(data), **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *command], cwd=ROOT, env=clean, capture_output=True, text=True, check=False
    )


def test_production_is_safe_with_the_required_variables_alone(data: Path) -> None:
    done = manage(data, "check", "--deploy", "--fail-level", "WARNING", WAYPOST_ENV="production", **REQUIRED)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr
    assert not (data / "secrets").exists()


@pytest.mark.parametrize("missing", REQUIRED)
def test_production_without_a_required_variable_says_which(data: Path, missing: str) -> None:
    given = {name: value for name, value in REQUIRED.items() if name != missing}
    done = manage(data, "check", WAYPOST_ENV="production", **given)
    assert done.returncode != 0
    assert done.stderr.startswith(f"waypost: {missing} ")
    assert len(done.stderr.splitlines()) == 1


def test_a_database_that_is_not_there_is_one_line(data: Path) -> None:
    done = manage(data, "migrate", DATABASE_URL="postgresql://u:sesame@127.0.0.1:1/d")
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1" in done.stderr
    assert "sesame" not in done.stderr


def test_the_names_in_the_settings_are_there() -> None:
    for value in settings.REST_FRAMEWORK.values():
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name.count("."):
                assert import_string(name)


@pytest.mark.django_db
def test_the_first_page_leads_everywhere() -> None:
    client = Client()
    page = client.get("/").content.decode()
    for path in ("/api/v1/docs/", "/api/v1/schema/", "/admin/", "/readyz", "/metrics"):
        assert f'href="{path}"' in page
        assert client.get(path).status_code < 400 or path == "/readyz"


def test_the_pages_of_the_api_need_no_other_host() -> None:
    page = Client().get("/api/v1/docs/").content.decode()
    assert "//cdn" not in page
    assert "/static/drf_spectacular_sidecar/" in page
