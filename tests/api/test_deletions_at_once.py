"""Rows that are deleted by several requests at once, or while others change them: no error, and nothing half-done."""

import pytest

from subscriptions.api.tenancy import HEADER
from subscriptions.models import Endpoint, EventType
from tests.api.operations import Operation, operations
from tests.api.tenant_rows import TenantRows
from tests.factories import make_client, make_endpoint, make_event_type, make_tenant
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

DELETIONS = [it for it in operations() if it.method == "delete"]
AT_ONCE = 6
ROUNDS = 4


def delete_at_once(operation: Operation) -> set[int]:
    """Delete a new row by several requests at once; return the statuses."""
    tenant, client = make_tenant(), make_client()
    path = operation.path.format_map(TenantRows(tenant).ids_in(operation.path))

    def delete() -> int:
        return int(client.delete(path, headers={HEADER: tenant.public_id}).status_code)

    results = in_threads(*[delete] * AT_ONCE)
    assert not [it for it in results if isinstance(it, Exception)], results
    return set(results)


def test_row_that_is_deleted_by_several_requests_at_once_is_deleted_once() -> None:
    found = {str(it): delete_at_once(it) for it in DELETIONS}
    assert len(found) > 10
    assert {name: statuses for name, statuses in found.items() if not statuses <= {200, 204, 404, 409}} == {}


def test_endpoint_that_is_deleted_while_others_name_it_for_their_results_is_named_by_none() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    for _ in range(ROUNDS):
        first, second = make_endpoint(tenant), make_endpoint(tenant)
        fields = {"on_failure": second.public_id, "on_success": second.public_id}

        def change(path: str = f"/api/v1/endpoints/{first.public_id}/", fields: dict[str, str] = fields) -> int:
            return int(client.patch(path, fields).status_code)

        def delete(path: str = f"/api/v1/endpoints/{second.public_id}/") -> int:
            return int(client.delete(path).status_code)

        results = in_threads(change, change, delete, change, delete, change)
        assert set(results) <= {200, 204, 400, 404}, results
        first.refresh_from_db()
        assert (first.on_failure_id, first.on_success_id) == (None, None)
        assert not Endpoint.objects.filter(pk=second.pk, deleted_at=None).exists()


def test_event_type_that_is_deleted_while_others_change_its_schema_is_gone() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    for number in range(ROUNDS):
        made = make_event_type(tenant, name=f"a{number}", schema={"type": "object"})
        path = f"/api/v1/event-types/{made.name}/"

        def change(path: str = path) -> int:
            return int(client.patch(path, {"schema": {"type": "array"}, "description": "b"}).status_code)

        def delete(path: str = path) -> int:
            return int(client.delete(path).status_code)

        results = in_threads(change, delete, change, delete, change, delete)
        assert set(results) <= {200, 204, 404}, results
        assert not EventType.objects.filter(pk=made.pk).exists()
