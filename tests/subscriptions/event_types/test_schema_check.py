"""Publishing asks by which schema an event is judged: the right one, at once, and read no more often than needed."""

from typing import Any

import pytest

from subscriptions.event_types import registry, schema_check
from subscriptions.event_types.models import EventType
from subscriptions.models import Tenant
from tests.factories import make_event_type, make_tenant
from webhooks.wire.cloudevents.event import Event

pytestmark = pytest.mark.django_db

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def event(data: Any = None, **attributes: str) -> Event:
    return Event.of({"id": "1", "source": "/s", "type": "order.paid", **attributes}, data)


def pointers(tenant: Tenant, it: Event) -> list[str]:
    finding = schema_check.check(tenant.id, it)
    return [] if finding is None else [each.pointer for each in finding.violations]


def test_check_without_a_schema_finds_nothing(tenant: Tenant) -> None:
    make_event_type(name="order.paid")
    assert schema_check.check(tenant.id, event("anything")) is None


@pytest.mark.parametrize(("check", "refuses"), [("warn", False), ("enforce", True)])
def test_check_finds_violations_and_rejects_when_enforced(tenant: Tenant, check: str, refuses: bool) -> None:
    make_event_type(name="order.paid", schema=SCHEMA, schema_check=check)
    assert schema_check.check(tenant.id, event({"total": 1})) is None
    finding = schema_check.check(tenant.id, event({"total": "x"}))
    assert finding is not None
    assert (finding.version, finding.rejects, finding.violations[0].pointer) == (1, refuses, "/total")


def test_check_switched_off_finds_nothing(tenant: Tenant) -> None:
    make_event_type(name="order.paid", schema=SCHEMA, schema_check="off")
    assert schema_check.check(tenant.id, event({"total": "x"})) is None


def test_check_of_missing_or_non_json_data_finds_a_violation(tenant: Tenant) -> None:
    make_event_type(name="order.paid", schema={})
    bare = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "order.paid"})
    png = Event({**bare.attributes, "datacontenttype": "image/png"}, b"\xff")
    assert (pointers(tenant, bare), pointers(tenant, png)) == ([""], [""])


def test_change_by_this_process_applies_at_once(tenant: Tenant, django_capture_on_commit_callbacks: Any) -> None:
    row = make_event_type(name="order.paid", schema=SCHEMA)
    assert pointers(tenant, event({"total": "x"})) == ["/total"]
    with django_capture_on_commit_callbacks(execute=True):
        registry.change(row, {"schema": {"properties": {"total": {"type": "string"}}}})
    assert pointers(tenant, event({"total": "x"})) == []


def test_change_by_another_process_applies_within_a_second(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    row = make_event_type(name="order.paid", schema=SCHEMA)
    assert pointers(tenant, event({})) == [""]
    EventType.objects.filter(pk=row.pk).update(schema_check="off")
    assert pointers(tenant, event({})) == [""]
    later = schema_check.time.monotonic() + schema_check.REFRESH_EVERY + 0.1
    monkeypatch.setattr(schema_check.time, "monotonic", lambda: later)
    assert pointers(tenant, event({})) == []


def test_event_is_checked_against_the_version_it_names(tenant: Tenant) -> None:
    row = make_event_type(name="order.paid", schema={"$id": "https://example.com/v1", **SCHEMA})
    registry.change(row, {"schema": {"required": ["amount"]}})
    schema_check.clear_cache()
    old, new = event({"total": 1}, dataschema="https://example.com/v1"), event({"total": 1})
    by_us = event({"total": 1}, dataschema=schema_check.schema_url("order.paid", 1))
    assert (pointers(tenant, old), pointers(tenant, by_us), pointers(tenant, new)) == ([], [], [""])


def test_type_of_the_tenant_overrides_the_deployments(tenant: Tenant) -> None:
    make_event_type(name="order.paid", schema=SCHEMA)
    make_event_type(tenant, name="order.paid", schema={})
    assert pointers(tenant, event({})) == []
    assert pointers(make_tenant(), event({})) == [""]


def test_event_types_are_cached(tenant: Tenant, django_assert_num_queries: Any) -> None:
    make_event_type(name="order.paid", schema=SCHEMA)
    schema_check.check(tenant.id, event({}))
    with django_assert_num_queries(0):
        schema_check.check(tenant.id, event({}))
        schema_check.check(tenant.id, event({}, type="unheard.of"))
