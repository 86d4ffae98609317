"""Query parameters of every list: those that the description names are accepted, all others rejected."""

from collections.abc import Callable
from typing import Any

import pytest

from delivery.models import AlertRule, Delivery, Event, Replay, Schedule
from subscriptions.api.tenancy import HEADER
from subscriptions.models import ApiKey, Endpoint
from tests.api.operations import Operation, operations
from tests.api.tenant_rows import TenantRows
from tests.delivery.factories import make_event
from tests.factories import make_client, make_endpoint, make_tenant
from webhooks.kit.rest.query_params import TENANT
from webhooks.models import Source

pytestmark = pytest.mark.django_db

READS = [it for it in operations() if it.method == "get" and it.needs_key]
PAGES = [it for it in READS if it.query_parameters]
EACH = pytest.mark.parametrize("operation", PAGES, ids=str)
EACH_LIST = pytest.mark.parametrize("operation", [it for it in PAGES if "order" in it.query_parameters], ids=str)


def sender(operation: Operation) -> Callable[[str], Any]:
    """Return a function that sends the operation with a query, for a new tenant."""
    tenant = make_tenant()
    client = make_client() if is_of_the_platform(operation) else make_client(tenant)
    path = operation.path.format_map(TenantRows(tenant).ids_in(operation.path))
    return lambda query: client.get(f"{path}?{query}")


def is_of_the_platform(operation: Operation) -> bool:
    """Return whether the operation needs a platform key."""
    return operation.path.split("/")[3] == "broadcasts"


def rejected_fields(response: Any) -> list[str]:
    """Return the fields that the problem names."""
    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    return [it["field"] for it in response.json()["errors"]]


def test_description_contains_lists_and_flags() -> None:
    assert len(PAGES) > 15
    assert sum(bool(it.flags) for it in PAGES) >= 3


@EACH
def test_unknown_parameter_is_rejected(operation: Operation) -> None:
    send = sender(operation)
    for name in ("stat", "Limit", "page", "state__in", "%00", "_"):
        assert rejected_fields(send(f"{name}=dead")) == [name.replace("%00", "\0")]
    assert rejected_fields(send("stat=dead&typ=a")) == ["stat", "typ"]


@EACH_LIST
def test_choice_parameter_lists_its_choices(operation: Operation) -> None:
    send = sender(operation)
    for parameter in operation.described["parameters"]:
        if parameter["in"] == "query" and "enum" in parameter["schema"] and parameter["name"] != "order":
            response = send(f"{parameter['name']}=nothing&stat=dead")
            assert response.status_code == 400
            errors = {it["field"]: it["detail"] for it in response.json()["errors"]}
            assert errors.keys() >= {parameter["name"], "stat"}
            assert all(str(choice) in errors[parameter["name"]] for choice in parameter["schema"]["enum"])


@EACH
def test_described_parameter_is_known(operation: Operation) -> None:
    """Allow an error about the value, but not about the name."""
    send = sender(operation)
    for name in operation.query_parameters:
        response = send(f"{name}=%20")
        assert response.status_code in (200, 400, 404)
        assert b"no such parameter" not in response.content
        assert b"no such field" not in response.content


@EACH_LIST
def test_empty_or_repeated_parameter_is_rejected(operation: Operation) -> None:
    send = sender(operation)
    for name in operation.query_parameters - {"cursor"}:
        assert rejected_fields(send(f"{name}=")) == [name]
    assert rejected_fields(send("limit=1&limit=2")) == ["limit"]


@EACH_LIST
def test_flag_other_than_true_or_false_is_rejected(operation: Operation) -> None:
    send = sender(operation)
    for name in operation.flags:
        assert {send(f"{name}={word}").status_code for word in ("true", "false", "True")} == {200}
        for word in ("-1", "1", "yes", "tru", "null", "%00"):
            assert rejected_fields(send(f"{name}={word}")) == [name]


@EACH
def test_tenant_may_name_itself_in_the_query(operation: Operation) -> None:
    tenant = make_tenant()
    path = operation.path.format_map(TenantRows(tenant).ids_in(operation.path))
    status = 403 if is_of_the_platform(operation) else 200
    assert make_client(tenant).get(f"{path}?tenant={tenant.public_id}").status_code == status


@pytest.mark.parametrize("operation", [it for it in operations() if it.needs_key], ids=str)
def test_unknown_parameter_of_every_operation_is_rejected(operation: Operation) -> None:
    tenant = make_tenant()
    path = operation.path.format_map(TenantRows(tenant).ids_in(operation.path))
    call = getattr(make_client(), operation.method)
    for name in ("dry", "format"):
        if name not in operation.query_parameters:
            response = call(f"{path}?{name}=json&tenant={tenant.public_id}", headers={HEADER: tenant.public_id})
            assert rejected_fields(response) == [name]
            assert "pointer" not in response.json()["errors"][0]  # it would lead into the body


OWN_VALUES = {
    *("q", "uid", "name", "group", "subject", "event_id", "value", "labels", "request_id", "subject_hash"),
    *("url", "message_id", "order_key", "remote_address"),
    *("status", "since", "until", "from", "to", "include", "by", "cursor", "limit", "after"),
}
"""Parameters that select by a value of the row itself, or by its place: nothing that could be unknown."""
OWN_VALUES_OF = {
    ("subscriptions", "event_type"),  # a subscription may name a type before it is published
    ("receipts", "event_type"),  # types are those of the senders
}
UNKNOWN = [
    "unknown",
    *(f"{it.prefix}_01h455vb4pex5vsknk084sn02q" for it in (Endpoint, Source, Event, Delivery, Replay)),
    *(f"{it.prefix}_01h455vb4pex5vsknk084sn02q" for it in (Schedule, AlertRule, ApiKey)),
]


def names_of_others(operation: Operation) -> list[str]:
    """Return the parameters of a list that name something else than a value of its rows."""
    parameters = [it for it in operation.described.get("parameters", ()) if it["in"] == "query"]
    texts = [it["name"] for it in parameters if it["schema"].get("type") == "string" and "enum" not in it["schema"]]
    resource = operation.path.split("/")[3]
    return [it for it in texts if it not in OWN_VALUES | {TENANT} and (resource, it) not in OWN_VALUES_OF]


FILTERED = [(it, name) for it in PAGES for name in names_of_others(it)]


def test_filters_that_name_something_else_are_found() -> None:
    found = {(operation.path.split("/")[3], name) for operation, name in FILTERED}
    assert found >= {
        *(("deliveries", "endpoint"), ("deliveries", "event"), ("deliveries", "replay"), ("deliveries", "type")),
        *(("dead-letters", "endpoint"), ("events", "schedule"), ("events", "source"), ("alerts", "rule")),
        *(("subscriptions", "endpoint"), ("receipts", "source"), ("rejections", "source"), ("usage", "type")),
        *(("audit", "object"), ("audit", "object_type"), ("audit", "actor")),
    }


@pytest.mark.parametrize(("operation", "name"), FILTERED, ids=lambda it: str(it))
def test_filter_that_names_something_unknown_is_a_400_that_names_the_filter(operation: Operation, name: str) -> None:
    """A typo is not an empty list: whatever the list, and whether the value is an id, a uid or another name."""
    tenant = make_tenant()
    make_event(tenant)  # whose source is known
    client = make_client() if is_of_the_platform(operation) else make_client(tenant)
    path = operation.path.format_map(TenantRows(tenant).ids_in(operation.path))
    for text in UNKNOWN:
        response = client.get(f"{path}?{name}={text}")
        assert rejected_fields(response) == [name], text


def test_subject_of_an_alert_that_is_an_unknown_id_is_a_400() -> None:
    tenant = make_tenant()
    client, endpoint = make_client(tenant), make_endpoint(tenant)
    foreign = make_endpoint(make_tenant())
    assert client.get(f"/api/v1/alerts/?subject={endpoint.public_id}").status_code == 200
    assert client.get("/api/v1/alerts/?subject=disk").status_code == 200
    for text in (foreign.public_id, "ep_01h455vb4pex5vsknk084sn02q"):
        assert rejected_fields(client.get(f"/api/v1/alerts/?subject={text}")) == ["subject"]
