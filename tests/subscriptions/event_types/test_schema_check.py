"""The check of published events: which schema applies, how soon a change does, and how often types are read."""

from typing import Any

import pytest

from subscriptions.event_types import registry
from subscriptions.event_types.json_schema import schema_check
from subscriptions.event_types.models import EventType
from subscriptions.models import Tenant
from tests.factories import make_event_type, make_tenant
from webhooks.kit.caches import timed_cache
from webhooks.wire.cloudevents.event import Event

pytestmark = pytest.mark.django_db

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def event(data: Any = None, **attributes: str) -> Event:
    return Event.of({"id": "1", "source": "/s", "type": "order.paid", **attributes}, data)


def pointers(tenant: Tenant, published: Event) -> list[str]:
    found = schema_check.check(tenant.id, published)
    return [] if found is None else [each.pointer for each in found.violations]


def test_check_without_a_schema_finds_nothing(tenant: Tenant) -> None:
    make_event_type(name="order.paid")
    assert schema_check.check(tenant.id, event("anything")) is None


@pytest.mark.parametrize(("mode", "rejects"), [("warn", False), ("enforce", True)])
def test_check_finds_violations_and_rejects_when_enforced(tenant: Tenant, mode: str, rejects: bool) -> None:
    make_event_type(name="order.paid", schema=SCHEMA, schema_check=mode)
    assert schema_check.check(tenant.id, event({"total": 1})) is None
    found = schema_check.check(tenant.id, event({"total": "x"}))
    assert found is not None
    assert (found.version, found.rejects, found.violations[0].pointer) == (1, rejects, "/total")


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
    later = timed_cache.monotonic() + 1.1
    monkeypatch.setattr(timed_cache, "monotonic", lambda: later)
    assert pointers(tenant, event({})) == []


def test_event_is_checked_against_the_version_it_names(tenant: Tenant) -> None:
    row = make_event_type(name="order.paid", schema={"$id": "https://example.com/v1", **SCHEMA})
    registry.change(row, {"schema": {"required": ["amount"]}})
    schema_check.clear_cache()
    old, new = event({"total": 1}, dataschema="https://example.com/v1"), event({"total": 1})
    by_url = event({"total": 1}, dataschema=schema_check.schema_url("order.paid", 1))
    assert (pointers(tenant, old), pointers(tenant, by_url), pointers(tenant, new)) == ([], [], [""])


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
        schema_check.check(tenant.id, event({}, type="other.type"))
