"""Test the provider in another Django project, by following its page to the letter; then the receiver beside it."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings

from config.local import embedded
from tests.docs.blocks import blocks_of
from tests.docs.page_shell import agrees
from tests.journeys.other_project import BIN, PUBLISH, ROOT, Project, commands, empty_database
from tests.receiver import Receiver
from tests.waiting import wait_until

LOOPBACK = 'WAYPOST_ALLOW_HTTP = True\nWAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]\n'  # as the page says
HANDLERS = """
from orders.models import Order
from webhooks.processing.handlers import handles


@handles("partner", {"type": ["order.paid"]})
def ship(receipt):
    Order.objects.create(customer_id="partner", number="copy of " + receipt.json()["data"]["number"], total=1)
"""
PUBLISH_FOR = """
from subscriptions.registration import ensure_tenant, register_endpoint
register_endpoint(ensure_tenant(%(tenant)r), %(url)r, event_types=["order.paid"], secret=%(secret)r)
from orders.models import Order
Order.objects.create(customer_id=%(tenant)r, number=%(number)r, total=5).pay()
"""
DELIVERED = "from delivery.models import Delivery; print(Delivery.objects.get(tenant__uid='watched').state)"
ORDERS = "from orders.models import Order; print(sorted(Order.objects.values_list('number', flat=True)))"
ADMIN = """
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from delivery.models import Delivery
client = Client(SERVER_NAME="127.0.0.1")
client.force_login(User.objects.create_superuser("ops"))
ours = [it for it in admin.site._registry if it._meta.app_label in ("webhooks", "subscriptions", "delivery")]
paths = ["", *(f"{it._meta.app_label}/{it._meta.model_name}/" for it in ours)]
paths += [f"{it._meta.app_label}/{it._meta.model_name}/{row.pk}/change/" for it in ours for row in it.objects.all()[:1]]
delivery = Delivery.objects.get(tenant__uid="watched")
paths += [
    f"delivery/delivery/?endpoint__id__exact={delivery.endpoint_id}&state__exact=delivered&created_at_from_0=2020-01-01",
    f"delivery/delivery/operation/?what=retry&ids={delivery.public_id}",
    f"delivery/event/replay/?tenant={delivery.tenant.public_id}&scope=events",
]
for page in paths:
    response = client.get(f"/admin/{page}")
    assert response.status_code == 200, (page, response.status_code, response.content)
page = client.get(f"/admin/{paths[-3]}").content.decode()
assert delivery.public_id in page and str(delivery.endpoint) in page and 'value="2020-01-01"' in page
assert delivery.public_id not in client.get(f"/admin/{paths[-3]}".replace("2020", "2040")).content.decode()
assert "Timeline" in client.get(f"/admin/delivery/delivery/{delivery.pk}/change/").content.decode()
print(len(paths) > 20 or paths)
"""


API = """
import sys
from django.test import Client
from subscriptions.registration import ensure_tenant
from subscriptions.tenants.keys import create_key
key, text = create_key(ensure_tenant("api"), ["publish", "read", "manage"])
client = Client(SERVER_NAME="127.0.0.1", headers={"authorization": f"Bearer {text}", "idempotency-key": "once"})
body = {"uid": "own", "url": "http://127.0.0.1/hooks", "subscriptions": [{"event_types": ["order.*"]}]}
made = [client.post("/api/v1/endpoints/", body, "application/json") for _ in range(2)]
sent = client.post("/api/v1/events/", {"type": "order.paid", "data": {"n": 1}}, "application/json")
shown = client.get("/api/v1/endpoints/own/")
again = client.get("/api/v1/endpoints/own/", headers={"if-none-match": shown["ETag"]})
wrong = client.get("/api/v1/endpoints/?stat=active")
preview = client.post("/api/v1/endpoints/delete/preview/", {"all": True}, "application/json")
unauthorized = Client(SERVER_NAME="127.0.0.1").get("/api/v1/endpoints/")
assert made[0].json() == made[1].json() and made[1]["Idempotency-Replayed"] == "true", made[1].content
assert sent.json()["deliveries"] == 1, sent.content
assert wrong["Content-Type"] == "application/problem+json" and wrong.json()["errors"][0]["field"] == "stat"
assert [name for name in sys.modules if name == "config" or name.startswith("config.")] == []
print([it.status_code for it in (*made, sent, shown, again, wrong, preview, unauthorized)])
"""


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: pytest.FixtureRequest
) -> Iterator[Project]:
    """Make the project of the page; its commands run in the tests."""
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))
    name = f"provider_{os.getpid()}"
    with django_db_blocker.unblock(), empty_database(name) as database:  # type: ignore[attr-defined]
        folder = tmp_path_factory.mktemp("shop")
        made = Project(folder, database, LOOPBACK, page=PUBLISH)
        made.environment["CELERY_BROKER_URL"] = f"{settings.CELERY_BROKER_URL}?virtual_host=7"
        (folder / "orders" / "webhook_handlers.py").write_text(HANDLERS)
        yield made


@pytest.fixture(scope="module")
def workers(project: Project) -> Iterator[dict[str, list[str]]]:
    """Run the commands of the page in order: those of Celery until the end, the others to theirs."""
    output: dict[str, list[str]] = {"python": []}
    with ExitStack() as stack:
        for number, words in enumerate(commands(PUBLISH)):
            match words:
                case ["pip", "install", requirement]:
                    assert requirement.endswith("waypost[provider]")
                case ["python", *arguments]:
                    output["python"].append(project.run(*arguments))
                case ["celery", *_]:
                    program = [str(BIN / "celery"), *words[1:]]
                    stack.enter_context(project.running(program, f"celery{number}.log"))
                case _:
                    raise AssertionError(f"no rule for the command {words}")
        yield output


def logs(project: Project) -> str:
    return "\n".join(path.read_text()[-3000:] for path in sorted(project.folder.glob("*.log")))


def shell(project: Project, code: str) -> str:
    return project.run("manage.py", "shell", "--verbosity", "0", "-c", code)


def test_page_followed_in_a_new_project_sends_a_signed_webhook(project: Project, workers: dict[str, list[str]]) -> None:
    assert Fernet(workers["python"][0].strip())
    with Receiver() as receiver:
        secret = project.run("try.py", URL=receiver.url("/hooks")).strip()
        wait_until(lambda: bool(receiver.arrivals), lambda: f"the webhook\n{logs(project)}")
        event = receiver.arrivals[0].verify(secret)
    (shown,) = [it.text for it in blocks_of(str(PUBLISH.relative_to(ROOT))) if it.language == "json"]
    assert agrees(json.loads(shown), event)


def test_check_finds_nothing_missing_and_the_admin_works_without_unfold(
    project: Project, workers: dict[str, list[str]]
) -> None:
    project.run("manage.py", "check", "--fail-level", "WARNING")
    assert project.run("manage.py", "makemigrations", "--check", "--dry-run") == "No changes detected\n"
    with Receiver() as receiver:
        published = {"tenant": "watched", "url": receiver.url(), "secret": None, "number": "C-3"}
        shell(project, PUBLISH_FOR % published)
        wait_until(lambda: shell(project, DELIVERED) == "delivered\n", lambda: f"the delivery\n{logs(project)}")
    assert shell(project, ADMIN) == "True\n"


def test_rest_api_of_the_page_works_without_the_platform(project: Project, workers: dict[str, list[str]]) -> None:
    assert shell(project, API) == "[201, 201, 202, 200, 304, 400, 200, 401]\n"


def test_test_of_the_page_passes(project: Project, workers: dict[str, list[str]]) -> None:
    project.run("manage.py", "test", "orders", "--noinput")


def test_webhook_to_a_source_of_the_same_project_is_handled(project: Project, workers: dict[str, list[str]]) -> None:
    made = json.loads(project.run("manage.py", "source", "partner", "--base-url", "https://shop.example"))
    with project.serve([sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:{port}"]) as address:
        url = made["url"].replace("https://shop.example", address)
        shell(project, PUBLISH_FOR % {"tenant": "partner", "url": url, "secret": made["secret"], "number": "B-2"})
        wait_until(lambda: "copy of B-2" in shell(project, ORDERS), lambda: f"the handler\n{logs(project)}")
