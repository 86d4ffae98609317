"""Event types: versions of their schemas, examples, and the names of deployment and tenants."""

import pytest

from subscriptions.errors import AlreadyExists, Invalid, StateConflict
from subscriptions.event_types import registry
from subscriptions.event_types.models import EventType, with_current_schemas
from tests.factories import make_event_type, make_tenant

pytestmark = pytest.mark.django_db

SCHEMA = {"properties": {"z": {"type": "integer"}, "a": {"type": "string"}}}


def test_changed_schema_is_a_new_version():
    row = make_event_type(schema=SCHEMA)
    row = registry.change(row, {"schema": {"type": "object"}})
    assert [(it.version, it.document) for it in row.schemas.all()] == [(1, SCHEMA), (2, {"type": "object"})]
    assert (row.version, row.schema) == (2, {"type": "object"})


def test_unchanged_schema_keeps_the_version():
    row = make_event_type(schema=SCHEMA)
    assert registry.change(row, {"schema": SCHEMA, "description": "x"}).version == 1


def test_version_number_is_not_used_again():
    row = make_event_type(schema=SCHEMA)
    row = registry.change(row, {"schema": None})
    assert (row.version, row.schema) == (0, None)
    assert registry.change(row, {"schema": {}}).version == 2


def test_latest_versions_are_kept_and_older_ones_deleted(monkeypatch):
    monkeypatch.setattr(registry, "MAX_VERSIONS", 3)
    row, other = make_event_type(schema={"title": "0"}), make_event_type(schema=SCHEMA)
    for number in range(1, 6):
        row = registry.change(row, {"schema": {"title": str(number)}})
    assert [(it.version, it.document["title"]) for it in row.schemas.all()] == [(4, "3"), (5, "4"), (6, "5")]
    assert (row.version, row.schema) == (6, {"title": "5"})
    assert other.schemas.count() == 1


def test_tenant_has_a_number_of_types_beyond_which_only_operators_create(monkeypatch):
    monkeypatch.setattr(registry, "MAX_TYPES", 2)
    tenant, other = make_tenant(), make_tenant()
    for name in ("a", "b"):
        registry.create(tenant, {"name": name}, by_operator=False)
    with pytest.raises(StateConflict, match="at most 2 event types"):
        registry.create(tenant, {"name": "c"}, by_operator=False)
    registry.create(tenant, {"name": "c"}, by_operator=True)
    registry.create(other, {"name": "c"}, by_operator=False)
    for name in ("d", "e", "f"):
        registry.create(None, {"name": name}, by_operator=True)


def test_current_schemas_are_read_without_the_versions_before():
    row = make_event_type(schema=SCHEMA)
    registry.change(row, {"schema": {"type": "object"}})
    plain = make_event_type()
    found = {it.pk: it for it in with_current_schemas(EventType.objects.all())}
    assert [it.version for it in found[row.pk].schemas.all()] == [2]
    assert (found[row.pk].schema, found[plain.pk].schema) == ({"type": "object"}, None)


def test_schema_keeps_the_order_of_names():
    assert list(make_event_type(schema=SCHEMA).schema["properties"]) == ["z", "a"]


def test_new_schema_must_match_the_kept_examples():
    row = make_event_type(schema=SCHEMA, examples=[{"z": 1}])
    with pytest.raises(Invalid, match="Example 0 does not match"):
        registry.change(row, {"schema": {"properties": {"z": {"type": "string"}}}})
    changed = registry.change(row, {"schema": {"properties": {"z": {"type": "string"}}}, "examples": [{"z": "x"}]})
    assert changed.examples == [{"z": "x"}]


def test_change_of_the_name_raises():
    with pytest.raises(StateConflict):
        registry.change(make_event_type(name="a"), {"name": "b"})


def test_name_is_unique_per_tenant_and_reserved_by_the_deployment():
    tenant, other = make_tenant(), make_tenant()
    make_event_type(name="order.paid")
    with pytest.raises(AlreadyExists):
        registry.create(None, {"name": "order.paid"}, by_operator=True)
    with pytest.raises(AlreadyExists):
        registry.create(tenant, {"name": "order.paid"}, by_operator=False)
    registry.create(tenant, {"name": "order.paid"}, by_operator=True)
    registry.create(tenant, {"name": "own"}, by_operator=False)
    registry.create(other, {"name": "own"}, by_operator=False)
    with pytest.raises(AlreadyExists):
        registry.create(tenant, {"name": "own"}, by_operator=False)
    assert EventType.objects.count() == 4


@pytest.mark.parametrize("name", ["", " a", "a*b", "order.*", "*", "x" * 257, "waypost.mine"])
def test_invalid_name_is_rejected(name):
    with pytest.raises(Invalid) as caught:
        registry.create(None, {"name": name}, by_operator=True)
    assert caught.value.field == "name"
    assert not EventType.objects.exists()
