"""Run the recipes: their commands in a shell against the API, their events through a drain to a real server.

Only URLs of other people's servers are replaced. A block of JSON is what the page says that comes out; "..." stands for
anything, and as a name for any other members.
"""

import base64
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from delivery import notify
from delivery.models import AlertRule, Delivery, Event, Schedule
from delivery.publishing.publisher import publish
from delivery.sending.drain import deliver_due
from subscriptions.models import Tenant
from tests.aws_signatures import is_signed_for_aws
from tests.docs.page_shell import agrees
from tests.factories import make_endpoint, make_key, make_subscription, make_tenant
from tests.processes import run
from tests.receiver import Arrival, Exchange, Receiver, status
from tests.waiting import wait_until
from webhooks.wire.masking import MaskingKeys
from webhooks.wire.masking.values import encrypted

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "recipes"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
URL = re.compile(r"https://[a-z0-9.-]+\.(?:example|com|aws)(/[\w/.-]*)?")

pytestmark = pytest.mark.django_db(transaction=True)


class Recipe:
    """A page, whose commands run against an API with the key of a tenant."""

    def __init__(self, name: str, api: str, key: str, receiver: Receiver, folder: Path) -> None:
        self.blocks = BLOCK.findall((FOLDER / f"{name}.md").read_text())
        self.receiver = receiver
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "API": api, "KEY": key}

    def code(self, language: str) -> list[str]:
        return [text for found, text in self.blocks if found == language]

    def expected(self, number: int = 0) -> Any:
        return json.loads(self.code("json")[number])

    def run(self, number: int | None = None) -> str:
        """Run the commands of one block, or of all, and return what they print."""
        blocks = self.code("sh") if number is None else [self.code("sh")[number]]
        script = URL.sub(lambda found: self.receiver.url(found[1] or "/"), "\n".join(blocks))
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = run(command, cwd=self.folder, env=self.environment, text=True)
        assert done.returncode == 0, done.stderr
        assert '"status":4' not in done.stdout, done.stdout
        return str(done.stdout)

    def drain(self, count: int = 1) -> list[Arrival]:
        """Drain until so many requests have arrived, and until nothing is due or for a second; return them."""

        def has_drained() -> bool:
            deliver_due(idle_timeout=0.1, seconds=1.0, stopping=lambda: False)
            return len(self.receiver.arrivals) >= count

        wait_until(has_drained, f"{count} requests")  # lanes are marked due after the response to publishing
        return list(self.receiver.arrivals)


MakeRecipe = Callable[[str], Recipe]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def recipe(
    live_server: Any, settings: Any, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeRecipe]:
    """Return a function that reads a recipe; the endpoints of all lead to one server on loopback."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    key = make_key(tenant)[1]
    with Receiver() as receiver:
        yield lambda name: Recipe(name, f"{live_server.url}/api/v1", key, receiver, tmp_path)


@pytest.fixture
def reminders(recipe: MakeRecipe) -> dict[str, Any]:
    """Return the names that the module of the page about reminders defines."""
    module: dict[str, Any] = {"__name__": "reminders"}
    exec(recipe("tomorrow-at-nine").code("python")[0], module)
    return module


def test_large_order_becomes_a_slack_message(recipe: MakeRecipe) -> None:
    page = recipe("slack-message-for-large-orders")
    page.run()
    (arrival,) = page.drain()
    assert agrees(page.expected(), json.loads(arrival.body))
    assert (arrival.path, b"250.00" in arrival.body) == ("/services/T0/B0/secret", True)


def test_endpoint_behind_oauth_gets_a_token(recipe: MakeRecipe) -> None:
    page = recipe("oauth2-endpoint")
    token = b'{"access_token": "abc", "token_type": "Bearer", "expires_in": 3600}'
    page.receiver.script("/oauth2/token", status(200, token))
    page.run(0)
    assert agrees(page.expected(), json.loads(page.run(1)))
    (requested,), (tested,) = page.receiver.at("/oauth2/token"), page.receiver.at("/webhooks")
    assert b"scope=orders.write" in requested.body
    assert tested.headers["authorization"] == "Bearer abc"


def test_function_of_aws_lambda_verifies_what_it_is_sent(recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    page = recipe("aws-lambda-url")
    created, _ = json.JSONDecoder().raw_decode(page.run())  # the response to the first command
    monkeypatch.setenv("SECRET", created["secret"])
    (arrival,) = page.drain()
    function: dict[str, Any] = {}
    exec(page.code("python")[0], function)
    headers = {name.lower(): value for name, value in arrival.headers.items()}
    secret = re.search(r'"secret_access_key": "(.*?)"', page.code("sh")[1])
    assert secret is not None
    assert is_signed_for_aws(secret[1], arrival.path, headers, arrival.body)
    asked = {"body": arrival.body.decode(), "headers": headers, "isBase64Encoded": False}
    assert function["lambda_handler"](asked, None) == {"statusCode": 200}
    assert function["lambda_handler"]({**asked, "body": asked["body"] + " "}, None) == {"statusCode": 401}


def test_second_request_within_a_minute_waits(recipe: MakeRecipe) -> None:
    page = recipe("once-a-minute")
    page.run(0)
    assert len(page.drain()) == 1
    assert agrees(page.expected(), json.loads(page.run(1)))


def test_latest_of_what_waits_takes_the_place_of_older_ones(recipe: MakeRecipe) -> None:
    page = recipe("once-a-minute")
    page.run(0)
    page.drain()
    page.run(2)
    wait_until(lambda: page.drain() and Delivery.objects.filter(state="superseded").count() == 2, "the older ones")
    assert agrees(page.expected(1), json.loads(page.run(3)))


def test_failing_event_holds_up_its_own_customer_only(recipe: MakeRecipe) -> None:
    page = recipe("in-order-per-customer")

    def fail_for_the_first(exchange: Exchange) -> None:
        arrivals = [it for it in page.receiver.arrivals if it.connection == exchange.client_address[1]]
        status(500 if b'"Ada"' in arrivals[-1].body else 200)(exchange)

    page.receiver.script("/hooks", fail_for_the_first)
    page.run(0)
    page.run(1)
    events = [json.loads(it.body) for it in page.drain(2)]
    assert sorted((it["subject"], it["data"]["name"]) for it in events) == [("c-1", "Ada"), ("c-2", "Bob")]
    assert agrees(page.expected(), json.loads(page.run(2)))


def test_address_is_not_in_what_a_partner_gets(recipe: MakeRecipe) -> None:
    page = recipe("masked-email")
    page.run(0)
    (arrival,) = page.drain()
    assert agrees(page.expected(0), json.loads(arrival.body))
    assert "ada@" not in arrival.body.decode()
    assert agrees(page.expected(1), json.loads(page.run(1)))
    assert arrival.headers["content-type"].startswith("application/cloudevents+json")
    assert b"ada@example.com" in bytes(Event.objects.get().body)


def test_masks_of_an_event_type_are_in_the_store_and_on_the_wire(recipe: MakeRecipe, tenant: Tenant) -> None:
    page = recipe("../mask")
    partner = make_endpoint(tenant, uid="partner", url=page.receiver.url("/hooks"))
    make_subscription(partner)
    page.run(0)
    patient = {"email": "ada@example.com", "insurance": "A-1"}
    data = {"patient": patient, "contacts": [{"name": "Bob", "phone": "+49 30 1"}]}
    publish(tenant, [{"type": "patient.admitted", "data": data}])
    (arrival,) = page.drain()
    event = Event.objects.get()
    assert bytes(event.body) == arrival.body
    sent = json.loads(arrival.body)["data"]
    assert sent["contacts"] == [{"name": "Bob"}]
    assert sent["patient"]["email"].startswith("hmac-sha256:")
    of_types, of_endpoint = map(json.loads, page.run(1).replace("}{", "}\n{").splitlines())
    key = of_types["data"][0]["key"]
    assert of_endpoint["data"][0]["key"] not in (key, "")
    for command in (python_decrypts(page, key), node_decrypts(page, key)):
        done = run([*command, sent["patient"]["insurance"]], cwd=page.folder, text=True)
        assert (done.stdout.strip(), done.returncode) == ('"A-1"', 0), done.stderr


def python_decrypts(page: Recipe, key: str) -> list[str]:
    (code,) = page.code("python")
    call = f"\nimport sys\nprint(json.dumps(decrypt(sys.argv[1], {key!r}), ensure_ascii=False))\n"
    (page.folder / "decrypt.py").write_text(code + call)
    return [sys.executable, "decrypt.py"]


def node_decrypts(page: Recipe, key: str) -> list[str]:
    (code,) = page.code("javascript")
    (page.folder / "decrypt.js").write_text(
        f"{code}\nconsole.log(JSON.stringify(decrypt(process.argv[2], {key!r})));\n"
    )
    return ["node", "decrypt.js"]


def test_code_of_the_page_decrypts_values(recipe: MakeRecipe) -> None:
    page = recipe("../mask")
    keys = MaskingKeys(b"h" * 32, b"e" * 32, "ep_1")
    key = base64.urlsafe_b64encode(keys.encrypting).rstrip(b"=").decode()
    value = {"name": "Zoë", "lines": [1, None]}
    for command in (python_decrypts(page, key), node_decrypts(page, key)):
        done = run([*command, encrypted(value, keys)], cwd=page.folder, text=True)
        assert (json.loads(done.stdout), done.returncode) == (value, 0), done.stderr
        header, _, rest = encrypted(value, keys).partition(".")
        done = run([*command, f"{header}.{rest[:-2]}AA"], cwd=page.folder, text=True)
        assert done.returncode != 0


def test_batch_creates_each_endpoint_with_its_subscription_once_and_deletes_them(
    recipe: MakeRecipe, tenant: Tenant
) -> None:
    page = recipe("five-hundred-endpoints")
    listed, created, updated, deleted = page.code("")
    (page.folder / "endpoints.txt").write_text(URL.sub(lambda it: page.receiver.url(it[1] or "/"), listed))
    assert page.run(0) == created
    assert page.run(1) == updated
    assert sorted(tenant.endpoints.values_list("uid", "subscriptions__event_types")) == [
        ("berlin", ["order.*"]),
        ("paris", ["order.*"]),
    ]
    assert page.run(2) == deleted
    assert not tenant.endpoints.filter(deleted_at=None).exists()


def test_test_event_is_sent_and_shown(recipe: MakeRecipe, tenant: Tenant) -> None:
    page = recipe("test-event")
    make_endpoint(tenant, uid="shop", url=page.receiver.url("/hooks"))
    assert agrees(page.expected(), json.loads(page.run()))
    assert (len(page.receiver.arrivals), Delivery.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2030-01-31T23:30:00+00:00", "2030-02-02T09:00:00+01:00"),  # it is February already in Berlin
        ("2030-03-30T12:00:00+01:00", "2030-03-31T09:00:00+02:00"),  # the clocks go forward in the night
        ("2030-10-26T12:00:00+02:00", "2030-10-27T09:00:00+01:00"),
    ],
)
def test_tomorrow_at_nine_is_the_time_of_the_city(reminders: dict[str, Any], now: str, then: str) -> None:
    assert reminders["tomorrow_at_nine"](datetime.fromisoformat(now)).isoformat() == then


def test_reminder_that_is_sent_twice_is_published_once(reminders: dict[str, Any]) -> None:
    for _ in range(2):
        reminders["remind"]("acme", "A-1")
    event = Event.objects.get()
    assert (event.event_id, event.routing) == ("reminder-A-1", "scheduled")


def test_schedule_takes_the_time_of_the_city(recipe: MakeRecipe) -> None:
    page = recipe("tomorrow-at-nine")
    assert agrees(page.expected(), json.loads(page.run()))


def test_commands_about_schedules_are_accepted(recipe: MakeRecipe) -> None:
    recipe("../schedules").run()
    expected = {("daily-report", "active"), ("closing-time", "active")}
    assert set(Schedule.objects.values_list("uid", "state")) == expected
    assert Event.objects.get(event_id="reminder-A-17").routing == "cancelled"


def test_commands_about_alerts_are_accepted(recipe: MakeRecipe) -> None:
    recipe("../alerts").run()
    rule = AlertRule.objects.get(uid="failing")
    channel = rule.channel_rows.get()
    assert channel.subscription is not None
    assert channel.subscription.pattern == {"data": {"rule": [rule.public_id]}}
    assert Event.objects.filter(type="waypost.alert.firing", tenant=rule.tenant).count() == 1


def test_every_recipe_is_run() -> None:
    tests = Path(__file__).read_text()
    not_here = {path.stem for path in FOLDER.glob("*.md") if f'recipe("{path.stem}")' not in tests}
    assert not_here == {"three-systems"}  # tests/delivery/connectors/test_three_systems.py
