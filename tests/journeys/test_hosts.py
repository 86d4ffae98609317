"""Test the receiver under the web servers of other projects: each one with a small, a large and a chunked body.

The project is an unfriendly one: middleware reads every body before the view, requests run in transactions of each of
its databases, times are naive, users are of a model of its own. `make interop` prints what came out.
"""

import http.client
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.factories_receiver import signed
from tests.journeys.other_project import Project, empty_database
from tests.waiting import wait_until
from webhooks.kit.bodies.claim_check import INLINE_MAX

PYTHON = sys.executable
BIN = Path(PYTHON).parent
HOSTS = {
    "runserver": [PYTHON, "manage.py", "runserver", "--noreload", "127.0.0.1:{port}"],
    "gunicorn": [PYTHON, "-m", "gunicorn", "shop.wsgi", "--bind", "127.0.0.1:{port}"],
    "gunicorn threads": [PYTHON, "-m", "gunicorn", "shop.wsgi", "--threads", "4", "--bind", "127.0.0.1:{port}"],
    "gunicorn asgi": [
        *(PYTHON, "-m", "gunicorn", "shop.asgi:application", "--worker-class", "asgi", "--bind", "127.0.0.1:{port}"),
    ],
    "waitress": [PYTHON, "-m", "waitress", "--listen", "127.0.0.1:{port}", "shop.wsgi:application"],
    "uwsgi": [
        *(str(BIN / "uwsgi"), "--http", "127.0.0.1:{port}", "--module", "shop.wsgi", "--enable-threads"),
        *("--master", "--die-on-term", "--http-chunked-input"),
    ],
    "granian wsgi": [
        *(PYTHON, "-m", "granian", "--interface", "wsgi", "shop.wsgi:application", "--host", "127.0.0.1"),
        *("--port", "{port}"),
    ],
    "uvicorn": [PYTHON, "-m", "uvicorn", "shop.asgi:application", "--port", "{port}"],
    "daphne": [PYTHON, "-m", "daphne", "--bind", "127.0.0.1", "--port", "{port}", "shop.asgi:application"],
    "hypercorn": [PYTHON, "-m", "hypercorn", "--bind", "127.0.0.1:{port}", "shop.asgi:application"],
    "granian": [
        *(PYTHON, "-m", "granian", "--interface", "asginl", "shop.asgi:application", "--host", "127.0.0.1"),
        *("--port", "{port}"),
    ],
}
UNFRIENDLY = """
import os

USE_TZ = False
TIME_ZONE = "America/New_York"
AUTH_USER_MODEL = "orders.Customer"
DATABASES["default"]["ATOMIC_REQUESTS"] = True
DATABASES["legacy"] = {
    "ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "legacy.sqlite3", "ATOMIC_REQUESTS": True
}
if os.environ.get("READS_BODIES"):
    MIDDLEWARE.insert(0, "orders.middleware.read_body")
"""
MIDDLEWARE = """
def read_body(get_response):
    def respond(request):
        assert request.body is not None
        return get_response(request)
    return respond
"""
MODEL = """

from django.contrib.auth.models import AbstractUser


class Customer(AbstractUser):
    pass
"""
NO_CHUNKED_BODIES = ("runserver", "uwsgi")  # their applications cannot tell where such a body ends
SMALL = b'{"type":"order.paid","data":{"number":"1","total":42}}'
LARGE = b'{"file":"' + b"x" * 3 * INLINE_MAX + b'",' + SMALL[1:]


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: pytest.FixtureRequest
) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("shop")
    with django_db_blocker.unblock(), empty_database(f"hosts_{os.getpid()}") as database:  # type: ignore[attr-defined]
        made = Project(folder, database, UNFRIENDLY)
        made.environment["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        (folder / "orders" / "middleware.py").write_text(MIDDLEWARE)
        models = folder / "orders" / "models.py"
        models.write_text(models.read_text() + MODEL)
        made.run("manage.py", "makemigrations", "orders")
        made.run("manage.py", "migrate", "--verbosity", "0")
        yield made


@pytest.fixture(scope="module")
def source(project: Project) -> dict[str, str]:
    made: dict[str, str] = json.loads(project.run("manage.py", "source", "payments"))
    return made


def send(
    address: str, source: dict[str, str], body: bytes, message_id: str, *, is_chunked: bool = False, **more: str
) -> int:
    parts = urlsplit(address)
    own = signed(body, secret=source["secret"], message_id=message_id)
    headers = {**own, "Content-Type": "application/json", **more}
    path = urlsplit(source["url"]).path
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port)) as connection:
        if is_chunked:
            pieces = iter([body[:30], body[30:]])
            with suppress(ConnectionError):  # a server that refuses it may not read it
                headers["Transfer-Encoding"] = "chunked"
                connection.request("POST", path, pieces, headers, encode_chunked=True)
        else:
            connection.request("POST", path, body, headers)
        return connection.getresponse().status


def refusal(address: str, source: dict[str, str], body: bytes, message_id: str) -> int:
    """Return the status for a chunked body that is not read; 0 if there is none: uWSGI's router may drop it then."""
    with suppress(http.client.RemoteDisconnected):
        return send(address, source, body, message_id, is_chunked=True)
    return 0


@pytest.mark.parametrize("reads_bodies", [False, True], ids=["", "middleware reads bodies"])
@pytest.mark.parametrize("host", HOSTS)
def test_host_receives_small_large_and_chunked_bodies(
    project: Project, source: dict[str, str], host: str, reads_bodies: bool, record_property: Callable[[str, str], None]
) -> None:
    project.environment["READS_BODIES"] = "1" if reads_bodies else ""
    statuses, expected = {}, {}
    with project.serve(HOSTS[host]) as address:
        for size, body in (("small", SMALL), ("large", LARGE)):
            for is_chunked in (False, True):
                kind = f"{size}, {'chunked' if is_chunked else 'whole'}"
                name = f"{host} {kind} {reads_bodies}".replace(" ", "-").replace(",", "")
                if is_chunked and host in NO_CHUNKED_BODIES:
                    refused = partial(refusal, address, source, body, name)
                    statuses[kind], expected[kind] = [wait_until(refused, "a response to a chunked body")], [411]
                else:
                    statuses[kind] = [send(address, source, body, name, is_chunked=is_chunked) for _ in range(2)]
                    expected[kind] = [202, 200]
        statuses["host that is not allowed"] = [send(address, source, SMALL, "m1", Host="other.example")]
        expected["host that is not allowed"] = [400]  # by CommonMiddleware
    for kind, found in statuses.items():
        record_property(kind, " ".join(map(str, found)))
    assert statuses == expected, (project.folder / "server.log").read_text()[-3000:]
