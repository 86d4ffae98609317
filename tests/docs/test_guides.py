"""Follow the guides that extend the code, to the letter, in a copy of it; then run the tests that they name.

All guides go into one copy, so that its servers start once. The tests of a copy run as a program of their own.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of
from tests.processes import run

LEFT_OUT = (".git", ".venv", ".waypost", "out", "__pycache__", ".*_cache", ".hypothesis")
TRY_SCHEME = '''"""Run the commands with which the guide to a new scheme ends."""

import pytest

from tests.docs.blocks import blocks_of
from tests.docs.test_api_pages import shell, tenant

__all__ = ["shell", "tenant"]


@pytest.mark.django_db(transaction=True)
def test_commands_of_the_guide_are_accepted(shell):
    *_, commands = blocks_of("docs/how-to/add-a-scheme.md")
    assert '"status":202' in shell.run(commands.text).replace(" ", "")
'''


class Copy:
    """A copy of the code that a developer extends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)

    def create(self, path: str, text: str) -> None:
        assert not (self.folder / path).exists(), path
        (self.folder / path).write_text(text)

    def insert(self, path: str, after: str, text: str) -> None:
        """Insert lines after the line that begins so."""
        lines = (self.folder / path).read_text().splitlines(keepends=True)
        (place,) = [number for number, line in enumerate(lines) if line.startswith(after)]
        lines[place + 1 : place + 1] = text.splitlines(keepends=True)
        (self.folder / path).write_text("".join(lines))

    def append(self, path: str, text: str) -> None:
        with (self.folder / path).open("a") as file:
            file.write(f"\n\n{text}")

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, (path, old)
        (self.folder / path).write_text(text.replace(old, new))

    def run(self, *command: str, **more: str) -> str:
        """Run a Python program in the copy, without the settings of this process, and return what it prints."""
        hidden = ("WAYPOST_", "DJANGO_", "PYTEST_", "PYTHONHASHSEED")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        done = run([sys.executable, *command], cwd=self.folder, env=environment | more, text=True)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return str(done.stdout)


def block(guide: str, number: int) -> str:
    """Return the text of a block of a guide."""
    return blocks_of(f"docs/how-to/add-{'an' if guide[0] in 'a' else 'a'}-{guide}.md")[number].text


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    made = Copy(tmp_path / "waypost")
    yield made
    shutil.rmtree(made.folder)


def test_guides_followed_to_the_letter_add_what_they_say(copy: Copy) -> None:
    add_filter(copy)
    add_metric(copy)
    add_periodic_task(copy)
    add_resource(copy)
    add_scheme(copy)
    add_admin_page(copy)
    add_portal_page(copy)
    copy.run("-m", "ruff", "check", "--fix", "--select", "I", *ROOMS)
    copy.run("-m", "ruff", "format", *ROOMS)
    copy.run("-m", "ruff", "check", "--select", "E,F,I", *ROOMS)
    copy.run("-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *TESTS, WAYPOST_WRITE_DESCRIPTION="1")


ROOMS = ("delivery", "subscriptions", "webhooks", "config")
TESTS = (  # in this order: the first one writes the description, with which the others compare
    "tests/api/test_description.py::test_file_is_what_the_generator_makes_of_the_code",
    "tests/api/test_description.py",
    "tests/subscriptions/api/test_filters.py",
    "tests/api/test_query_parameters.py",
    "tests/api/test_authorization.py",
    "tests/webhooks/schemes/test_acme.py",
    "tests/webhooks/schemes/test_timestamps.py",
    "tests/webhooks/schemes/test_try_acme.py",
    "tests/delivery/admin/test_attempts.py",
    "tests/delivery/portal/test_recoveries.py",
    "tests/config/test_celery.py",
    "tests/config/ops/test_probes.py",
    "-k",
    "(generator or expiring or tags or text_that or content_mode or acme or attempts or recoveries or celery "
    "or metrics) and not warnings and not any_other_header",  # slow, and the same for every operation and every scheme
)


def add_filter(copy: Copy) -> None:
    path = "subscriptions/api/endpoints.py"
    copy.insert(path, "    state = ChoiceFilter(", block("filter", 0))
    copy.replace(path, "import Endpoint, Tenant", "import Endpoint, HttpSettings, Tenant")
    copy.append("tests/subscriptions/api/test_filters.py", block("filter", 1))


def add_metric(copy: Copy) -> None:
    copy.append("delivery/metrics.py", block("metric", 0))
    copy.insert("delivery/lifecycle/sweep.py", "        expired = dead_letter_expired(", block("metric", 1))
    copy.replace("delivery/lifecycle/sweep.py", "from delivery import", "from delivery import metrics,")
    copy.insert("config/metrics/queries.py", "BACKLOG = {", block("metric", 2))


def add_periodic_task(copy: Copy) -> None:
    copy.create("delivery/lifecycle/log_backlog.py", block("periodic-task", 0))
    copy.insert("delivery/schedule.py", '            "delivery.sweep": 60,', block("periodic-task", 1))
    copy.replace(
        "delivery/tasks.py",
        "from delivery.lifecycle import erasures, retention, sweep, usage\n",
        block("periodic-task", 2),
    )
    copy.insert("delivery/tasks.py", "PERIODIC_TASKS = [", block("periodic-task", 3))


def add_resource(copy: Copy) -> None:
    copy.create("webhooks/api/expiring_secrets.py", block("resource", 0))
    path = "webhooks/api/urls.py"
    copy.replace(path, "from webhooks.api import (", "from webhooks.api import (\n    expiring_secrets,")
    copy.insert(path, 'router.register("rejections"', block("resource", 1))
    _, tag, *_ = block("resource", 2).splitlines(keepends=True)
    copy.insert("config/api/openapi_settings.py", "API_TAGS = [", tag)
    copy.insert("tests/api/tenant_rows.py", "MAKE: ", block("resource", 3))


def add_scheme(copy: Copy) -> None:
    copy.create("webhooks/schemes/acme.py", block("scheme", 0))
    copy.insert("webhooks/schemes/__init__.py", "_CLASSES = (", block("scheme", 1))
    copy.create("tests/webhooks/schemes/test_acme.py", block("scheme", 2))
    copy.replace("tests/webhooks/schemes/test_timestamps.py", 'TIMED = {"standard"', 'TIMED = {"acme", "standard"')
    copy.create("tests/webhooks/schemes/test_try_acme.py", TRY_SCHEME)


def add_admin_page(copy: Copy) -> None:
    copy.create("delivery/admin/attempts.py", block("admin-page", 0))
    copy.replace(
        "delivery/admin/__init__.py",
        "from delivery.admin import deliveries as deliveries\n",
        block("admin-page", 1) + "from delivery.admin import deliveries as deliveries\n",
    )
    copy.create("tests/delivery/admin/test_attempts.py", block("admin-page", 2))


def add_portal_page(copy: Copy) -> None:
    copy.create("delivery/portal/recoveries.py", block("portal-page", 0))
    copy.create("delivery/templates/delivery/portal/recoveries.html", block("portal-page", 1))
    path = "delivery/portal/urls.py"
    copy.replace(path, "catalogue, messages, opening\n", "catalogue, messages, opening, recoveries\n")
    copy.insert(path, '    path("portal/messages/"', block("portal-page", 2))
    copy.append("delivery/locale/de/LC_MESSAGES/django.po", block("portal-page", 3))
    copy.create("tests/delivery/portal/test_recoveries.py", block("portal-page", 4))
