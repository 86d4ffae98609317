"""Test the settings: safe with the required variables alone, and one line that names a missing one."""

import os
import re
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
def test_production_without_a_required_variable_names_it(data: Path, missing: str) -> None:
    given = {name: value for name, value in REQUIRED.items() if name != missing}
    done = manage(data, "check", WAYPOST_ENV="production", **given)
    assert done.returncode != 0
    assert done.stderr.startswith(f"waypost: {missing} ")
    assert len(done.stderr.splitlines()) == 1


APP = {
    "shop/__init__.py": "",
    "shop/models.py": "from django.db import models\nclass Order(models.Model):\n    total = models.IntegerField()\n",
}
FIND_APP = """
from django.apps import apps
from webhooks.models import Source
from webhooks.processing.handlers import has_handlers
print(apps.get_model("shop.Order").__name__, has_handlers(Source(uid="shop")), has_handlers(Source(uid="other")))
"""


def handlers_of_the_page() -> str:
    """Return the handlers that docs/how-to/receive.md shows, for its app ``shop``."""
    page = (ROOT / "docs" / "how-to" / "receive.md").read_text()
    (found,) = re.findall(r"^```python\n(from webhooks.processing.handlers import GiveUp.*?)^```", page, re.M | re.S)
    return str(found)


def test_app_of_the_operator_is_installed_with_its_models_and_handlers(data: Path, tmp_path: Path) -> None:
    for name, text in {**APP, "shop/webhook_handlers.py": handlers_of_the_page()}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    theirs = {"WAYPOST_APPS": "shop", "PYTHONPATH": str(tmp_path), "WAYPOST_ENV": "production", **REQUIRED}
    done = manage(data, "shell", "--verbosity", "0", "-c", FIND_APP, **theirs)
    assert (done.stdout, done.stderr) == ("Order True False\n", "")


def test_unreachable_database_is_reported_in_one_line_without_the_password(data: Path) -> None:
    done = manage(data, "migrate", DATABASE_URL="postgresql://u:sesame@127.0.0.1:1/d")
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1" in done.stderr
    assert "sesame" not in done.stderr


def test_dotted_names_in_the_rest_framework_settings_can_be_imported() -> None:
    for value in settings.REST_FRAMEWORK.values():
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name.count("."):
                assert import_string(name)


@pytest.mark.django_db
def test_first_page_links_every_part() -> None:
    client = Client()
    page = client.get("/").content.decode()
    for path in ("/api/v1/docs/", "/api/v1/schema/", "/admin/", "/readyz", "/metrics"):
        assert f'href="{path}"' in page
        assert client.get(path).status_code < 400 or path == "/readyz"


def test_api_pages_load_from_this_host_only() -> None:
    page = Client().get("/api/v1/docs/").content.decode()
    assert "//cdn" not in page
    assert "/static/drf_spectacular_sidecar/" in page
