"""Run or check the blocks that are neither commands nor guides: programs, bodies, outlines.

What a page gives from outside (an address, a key, a secret) is put in; everything else is run as it is shown.
"""

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import pytest

from benchmarks import rows
from config.api.description import FILE
from config.local.demo import events as demo_events
from config.web.application import WebApplication
from delivery.models import Delivery, Event
from delivery.publishing import PublishError, publish
from delivery.transports.sockets.kind import SocketKind
from delivery.transports.transport import Transport
from subscriptions.api.serializers.endpoints import EndpointCreateSerializer
from subscriptions.endpoints.batch import check_batch
from subscriptions.endpoints.destinations.kind import Connection
from subscriptions.endpoints.destinations.registry import checked_connection
from subscriptions.event_types.operational import TYPES
from subscriptions.event_types.schemas import check_examples
from subscriptions.models import Tenant
from subscriptions.routing.compiled_patterns import compile_pattern, compile_transformer
from tests.config.web.server import serving
from tests.docs.blocks import ROOT
from tests.docs.inventory import block_for, blocks_for
from tests.docs.page_shell import URL, agrees
from tests.factories import make_client, make_endpoint, make_key, make_tenant
from tests.factories_receiver import make_source
from tests.ports import free_port
from tests.processes import run, start
from tests.receiver import Receiver
from tests.threads import ClosingThreads
from tests.waiting import wait_until
from tests.webhooks.senders.test_handshake import ask
from tests.webhooks.sources.kinds.google.pubsub_server import PubSubServer
from webhooks.kit.fair.threads import request_threads
from webhooks.models import Receipt
from webhooks.schemes import get
from webhooks.schemes.scheme import UnsignedMessage
from webhooks.senders.presets import read_preset
from webhooks.wire.signing.keys import new_secret
from webhooks.wire.signing.standard_webhooks import sign


def described(component: str) -> jsonschema_rs.Validator:
    """Return what validates values of a component of the OpenAPI document."""
    schemas = json.loads(FILE.read_text())["components"]
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{component}", "components": schemas})


# Bodies


def test_fields_of_an_endpoint_are_those_of_the_description() -> None:
    for block in blocks_for("endpoint-fields"):
        described("EndpointUpdateRequest").validate({"url": "https://a.example/", **json.loads(block.text)})


def test_response_to_a_deferred_event_is_that_of_the_description() -> None:
    described("PublishResult").validate(json.loads(block_for("deferred").text))


def test_operational_event_of_the_page_is_one_of_the_catalogue() -> None:
    event = json.loads(block_for("operational-event").text)
    _, schema, _ = TYPES[event["type"]]
    shown = event["data"].keys() - {"...", "tenant", "tenant_uid"}
    assert shown <= schema["properties"].keys()
    assert event["data"]["reason"] in schema["properties"]["reason"]["enum"]


def test_invocation_record_of_the_page_is_one_of_the_catalogue() -> None:
    event = json.loads(block_for("invocation-record").text)
    _, schema, _ = TYPES[event["type"]]
    check_examples([event["data"]], schema)


@pytest.mark.django_db
def test_handlers_that_name_an_endpoint_are_accepted() -> None:
    endpoint = make_endpoint(uid="errors")
    body = {"scheme": "standard", **json.loads(block_for("results-of-receipts").text)}
    response = make_client(endpoint.tenant).post("/api/v1/sources/", body, "json")
    assert response.json()["handlers"][0]["on_failure"] == endpoint.public_id


@pytest.mark.django_db
def test_grant_and_a_subscription_that_names_it_are_accepted() -> None:
    owner, erp = make_tenant(), make_endpoint(uid="erp")
    (text,) = re.findall(r"-d '(.*)'", block_for("grant").text)
    grant = {**json.loads(text), "grantee": erp.tenant.public_id}
    created = make_client(owner).post("/api/v1/grants/", grant, "json")
    assert created.status_code == 201, created.json()
    body = {**json.loads(block_for("subscription-to-grant").text), "grant": created.json()["id"]}
    assert make_client(erp.tenant).post("/api/v1/subscriptions/", body, "json").status_code == 201


def test_rules_of_the_handshake_respond_as_the_page_says() -> None:
    rules = json.loads(block_for("handshake").text)
    challenged = ask(*rules, method="GET", query="challenge=abc")
    pinged = ask(*rules, body=b'{"type": "ping"}')
    hooked = ask(*rules, headers={"x-hook-secret": "s"})
    checked = ask(*rules, body=b'{"type": "check", "token": "t"}', is_verified=True, secrets=["s"])
    assert challenged is not None
    assert challenged.body == b"abc"
    assert pinged is not None
    assert pinged.status == 204
    assert hooked is not None
    assert (hooked.headers, hooked.secret) == ({"X-Hook-Secret": "s"}, "s")
    assert checked is not None
    assert len(json.loads(checked.body)["token"]) == 64
    assert ask(*rules, body=b'{"type": "check", "token": "t"}') is None


def test_pattern_and_transformer_of_the_reference_compile() -> None:
    for block in blocks_for("reference-pattern"):
        document = json.loads(block.text)
        compile_transformer(document) if document.keys() & {"template", "jsonata"} else compile_pattern(document)


def test_file_of_events_is_one_that_the_demo_reads(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(block_for("demo-events").text)
    first, second = demo_events.read(path)
    assert '"total": "42.70"' in first.text
    assert (second.source, second.id) == ("/shop", "10428-shipped")


def test_script_makes_events_of_payloads_of_github(tmp_path: Path) -> None:
    commands = block_for("npm").text
    assert subprocess.run(["bash", "-n", "-c", commands], check=False).returncode == 0
    (tmp_path / "index.json").write_text('[{"name": "push", "examples": [{"ref": "é", "size": 1.50}]}]')
    script = re.search(r"python3 (\S+)", commands)
    assert script is not None
    made = subprocess.check_output([sys.executable, ROOT / script[1], tmp_path / "index.json"], text=True)
    (tmp_path / "github.ndjson").write_text(made)
    assert [json.loads(it.text)["type"] for it in demo_events.read(tmp_path / "github.ndjson")] == ["github.push"]


def test_policy_allows_what_the_page_names() -> None:
    block = block_for("policy")
    (statement,) = json.loads(block.text)["Statement"]
    page = (ROOT / block.page).read_text()
    assert [it for it in statement["Action"] if f"`{it}`" not in page] == []
    region = re.search(r'"region": "([\w-]+)"', page)
    assert region is not None
    assert f":{region[1]}:" in statement["Resource"]


# Code of ours that a page quotes


def test_row_of_the_benchmark_is_the_one_in_the_code() -> None:
    row = eval(block_for("benchmark-row").text, vars(rows) | {"Row": rows.Row})
    assert row == next(it for it in rows.ROWS if it.name == row.name)


def test_attack_of_the_page_is_the_one_in_the_code() -> None:
    sources = [path.read_text() for path in (ROOT / "tests" / "isolation" / "attacks").glob("*.py")]
    assert any(block_for("attack").text in it for it in sources)


def test_states_of_a_delivery_are_those_that_the_pictures_name() -> None:
    picture = block_for("states").text
    drawn = set(re.findall(r"\b(?:pending|sending|delivered|dead)\b", picture))
    beside = set(Delivery.State.values) - drawn
    assert beside == {"cancelled", "superseded"}
    front = (ROOT / "README.md").read_text()
    assert all(f"`{it}`" in front for it in beside)


def methods(text: str) -> dict[str, list[str]]:
    """Return the functions in a text with the names of their arguments."""
    functions = [it for it in ast.walk(ast.parse(text)) if isinstance(it, ast.FunctionDef)]
    return {it.name: [argument.arg for argument in it.args.args] for it in functions}


def required(protocol: type) -> dict[str, list[str]]:
    """Return the functions of a protocol with the names of their arguments."""
    return {
        name: list(value.__code__.co_varnames[: value.__code__.co_argcount])
        for name, value in vars(protocol).items()
        if callable(value) and not name.startswith("_")
    }


def test_outline_of_a_transport_has_the_methods_of_a_transport() -> None:
    shown = methods(block_for("transport").text)
    assert shown.pop("open_transport") == ["clock"]
    assert shown == required(Transport)


def test_outline_of_a_destination_has_the_methods_of_a_kind() -> None:
    shown = set(methods(block_for("destination").text))
    assert shown == {"check", "address", "test", "check_message", "preview", "connect"}
    assert all(hasattr(SocketKind, it) for it in shown)
    assert "class TestExample(Battery)" in block_for("battery").text


def test_form_of_a_destination_has_fields_of_an_endpoint() -> None:
    for block in blocks_for("kind-of-destination"):
        fields = json.loads(block.text.partition("-d '")[2].rstrip().removesuffix("'"))
        assert fields.keys() <= EndpointCreateSerializer().fields.keys()


PLACEHOLDERS = {"service_account": PubSubServer().key_file()}  # of guides, for what cannot be any text


def test_settings_of_a_guide_to_a_destination_are_accepted() -> None:
    for block in blocks_for("send-to"):
        fields = json.loads(block.text.partition("-d '")[2].rstrip().removesuffix("'"))
        credentials = {name: PLACEHOLDERS.get(name, text) for name, text in fields["credentials"].items()}
        checked_connection(fields["type"], Connection("", 1, {}), fields["settings"], credentials)
        columns = fields["settings"].get("columns", {})
        assert all(name in block_for("table").text for name in columns)


def test_application_in_place_of_a_key_is_accepted() -> None:
    given = json.loads(block_for("entra").text)
    for kind, place in (
        ("azure_service_bus", {"namespace_url": "https://shop.servicebus.windows.net", "entity": "orders"}),
        ("azure_event_grid", {"topic_url": "https://orders.westeurope-1.eventgrid.azure.net/api/events"}),
    ):
        checked_connection(kind, Connection("", 1, {}), {**place, **given["settings"]}, given["credentials"])


def test_batch_of_an_endpoint_is_accepted() -> None:
    batch = json.loads(block_for("endpoint-batch").text)["batch"]
    assert check_batch(batch) == batch
    assert check_batch(json.loads(block_for("endpoint-lines").text)["batch"])


def test_call_of_a_generated_client_is_one_that_its_quickstart_makes() -> None:
    programs = [
        path.read_text() for path in (ROOT / "tests" / "clients").rglob("*") if path.suffix in (".py", ".ts", ".go")
    ]
    made = [re.sub(r"\s+", " ", re.sub(r"order\.\w+", "order.paid", it)) for it in programs]
    for block in blocks_for("client-snippet"):
        *_, call = block.text.strip().splitlines()
        _, _, expression = call.partition("= ")
        wanted = expression.removesuffix(";").partition("Data:")[0].strip()
        assert any(wanted in it for it in made), block


# Senders


def test_preset_of_the_guide_verifies_and_answers_its_sender() -> None:
    sender = read_preset("acme", block_for("sender").text)
    source = dict(sender.fields)
    scheme = get(source["scheme"], source["options"])
    signed = scheme.sign("s3cret", UnsignedMessage(b"{}", "", 1_614_265_330, "1"))
    assert re.fullmatch(r"t=1614265330,v1=[0-9a-f]{64}", signed.headers["x-acme-signature"])
    reply = ask(*source["handshake"], method="GET", query="challenge=abc")
    assert reply is not None
    assert reply.body == b"abc"


# Requests and programs


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[str]:
    """Serve the platform, as its own web server does; yield its address."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with ClosingThreads(2) as threads:
        monkeypatch.setattr(request_threads(), "executor", threads)
        with serving(WebApplication()) as port:
            yield f"http://127.0.0.1:{port}"


@pytest.mark.django_db
def test_request_on_the_page_for_receivers_is_the_one_that_is_sent(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    head, _, body = block_for("request").text.partition("\n\n")
    shown = dict(re.findall(r"^([\w-]+): (\S+)", head, re.MULTILINE))
    with Receiver() as receiver:
        endpoint = make_endpoint(url=receiver.url("/your/path"))
        test = {"type": "order.paid", "data": {}}
        make_client(endpoint.tenant).post(f"/api/v1/endpoints/{endpoint.public_id}/test/", test)
        (arrival,) = receiver.at("/your/path")
    sent = {name.lower(): value for name, value in arrival.headers.items()}
    assert shown.keys() <= sent.keys()
    assert shown["content-type"] == sent["content-type"]
    assert agrees(shown["webhook-signature"].replace("K5oZfzN95Z", ""), sent["webhook-signature"])
    assert len(shown["webhook-timestamp"]) == len(sent["webhook-timestamp"])
    members = json.loads(body.replace("{...}", '"..."'))
    assert agrees(members, json.loads(arrival.body))


@pytest.mark.django_db(transaction=True)
def test_event_is_published_in_the_transaction_of_the_page() -> None:
    make_tenant(uid="acme")
    paid: list[bool] = []
    names: dict[str, Any] = {"order": SimpleNamespace(mark_paid=lambda: paid.append(True))}
    exec(block_for("in-transaction").text, names)
    event = Event.objects.get()
    assert (paid, names["result"].id, event.tenant.uid) == ([True], event.public_id, "acme")


@pytest.mark.django_db
def test_error_of_publishing_is_the_one_shown() -> None:
    with pytest.raises(PublishError) as failed:
        publish(make_tenant(), [{"type": "order.paid", "data": {"number": "A-1", "total": Decimal("NaN")}}])
    assert block_for("publish-error").text.strip() == f"PublishError: {failed.value}"


@pytest.mark.django_db(transaction=True)
def test_client_of_aws_publishes_as_the_page_says(web: str) -> None:
    tenant: Tenant = make_tenant()
    text = block_for("put-events").text.replace("wp_...", make_key(tenant)[1])
    done = run([sys.executable, "-c", URL.sub(lambda found: f"{web}{found[1]}", text)], text=True)
    assert done.returncode == 0, done.stderr
    event = Event.objects.get()
    assert (event.type, event.tenant, json.loads(bytes(event.body))["data"]) == ("Order Paid", tenant, {"total": 42})


@pytest.mark.django_db(transaction=True)
def test_script_of_the_page_sends_a_message_that_is_accepted(web: str) -> None:
    secret = new_secret()
    source = make_source(secret=secret)
    text = block_for("sending-script").text.replace("whsec_...", secret)
    text = text.replace("http://127.0.0.1:8000/in/src_.../", f"{web}/in/{source.public_id}/")
    for _ in range(2):
        done = run([sys.executable, "-c", text], text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"receipt": Receipt.objects.get().public_id}


def test_subscriber_of_the_front_page_prints_what_it_verified(tmp_path: Path) -> None:
    program, output = blocks_for("subscriber")
    secret, port = new_secret(), free_port()
    (tmp_path / "subscriber.py").write_text(program.text.replace("9000", str(port)))
    log = (tmp_path / "log").open("w+")
    running = start(
        [sys.executable, "subscriber.py"], cwd=tmp_path, env={"SECRET": secret}, stdout=log, stderr=subprocess.STDOUT
    )
    body = '{"specversion": "1.0", "id": "1", "source": "/", "type": "order.paid", "data": {"total": 42}}'
    now = int(time.time())
    headers = {
        "webhook-id": "1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret, "1", now, body.encode()),
    }
    try:
        command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--retry", "40"]
        command += ["--retry-connrefused", "--retry-delay", "1", f"http://127.0.0.1:{port}/", "--data", body]
        command += [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
        assert run(command, text=True).stdout == "204"
        wait_until(lambda: output.text.strip() in (tmp_path / "log").read_text(), "the line that the page shows")
    finally:
        running.terminate()
        running.wait()
        log.close()
