"""Join each operation that has a body to a client that may call it, to existing rows, and to a valid body.

The fields come from the OpenAPI description, so that new operations are tested without a change here.
"""

import json
from typing import Any

from rest_framework.test import APIClient

from subscriptions.api.tenancy import HEADER
from tests.api.operations import Operation, description
from tests.api.tenant_rows import TenantRows
from tests.factories import make_client, make_tenant

JSON = "application/json"
CALLING_ENDPOINTS = ("/api/v1/endpoints/{ref}/test/", "/api/v1/endpoints/{ref}/verification/")
CALLING_OUT = (*CALLING_ENDPOINTS, "/api/v1/sources/test/", "/api/v1/sources/{ref}/seek/")

# Valid bodies, for operations without an example in the description and without a GET.
VALID: dict[str, dict[str, Any]] = {
    "/api/v1/broadcasts/": {"event": {"type": "maintenance.planned"}, "all": True},
    "/api/v1/broadcasts/preview/": {"all": True},
    "/api/v1/dead-letter-jobs/": {"operation": "discard", "all": True},
    "/api/v1/dead-letter-jobs/preview/": {"operation": "discard", "all": True},
    "/api/v1/deliveries/cancel/": {"all": True},
    "/api/v1/deliveries/cancel/preview/": {"all": True},
    "/api/v1/endpoints/batch/": {"data": [{"uid": "a", "url": "https://example.com/"}]},
    "/api/v1/endpoints/{ref}/acknowledgements/": {"acknowledged": ["dlv_01h455vb4pex5vsknk084sn02q"]},
    "/api/v1/erasures/": {"subject": "user-1"},
    "/api/v1/erasures/preview/": {"subject": "user-1"},
    "/api/v1/grants/": {"grantee": "", "event_types": ["order.*"]},
    "/api/v1/endpoints/delete/": {"all": True},
    "/api/v1/endpoints/delete/preview/": {"all": True},
    "/api/v1/subscriptions/delete/": {"all": True},
    "/api/v1/subscriptions/delete/preview/": {"all": True},
    "/api/v1/portal-links/": {"capabilities": ["view"]},
    "/api/v1/receipt-replays/": {"all": True},
    "/api/v1/receipt-replays/preview/": {"all": True},
    "/api/v1/replays/": {"all": True},
    "/api/v1/replays/preview/": {"all": True},
    "/api/v1/sources/": {"name": "unverified", "scheme": "none"},
    "/api/v1/sources/test/": {"name": "unverified", "scheme": "none"},
}
# Fields that exclude each other: those to leave out while the other is tested.
EXCLUDED_BY = {
    ("/api/v1/subscriptions/test/", "events"): {"event"},
    ("/api/v1/endpoints/{ref}/test/", "event"): {"type", "data"},
}
# Operations that are described by a recorded example only.
RECORDED = {f"/api/v1/{it}/" for it in ("event-types", "event-types/import", "keys", "plans", "tenants")}


def fields_of(operation: Operation) -> dict[str, Any]:
    """Return the writable fields with their schemas."""
    schema = operation.described.get("requestBody", {}).get("content", {}).get(JSON, {}).get("schema", {})
    while "$ref" in schema:
        schema = description()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return {name: it for name, it in schema.get("properties", {}).items() if not it.get("readOnly")}


class Target:
    """Join an operation to a client that may call it, and to the path of an existing row."""

    def __init__(self, operation: Operation) -> None:
        self.operation, self.tenant = operation, make_tenant()
        self.rows = TenantRows(self.tenant)
        self.path = operation.path.format_map(self.rows.ids_in(operation.path))
        self.client: APIClient = make_client()
        self.valid = self._valid_body()

    def _valid_body(self) -> dict[str, Any]:
        """Return a valid body."""
        content = self.operation.described["requestBody"]["content"][JSON]
        if self.operation.method == "put":
            seen = self.request("get").json()
            return {name: seen[name] for name in fields_of(self.operation) if name in seen}
        example = next((it["value"] for it in content.get("examples", {}).values()), {})
        if self.operation.path in RECORDED:
            example = {name: value for name, value in content["example"].items() if name != "plan"}  # of another run
        body = {**VALID.get(self.operation.path, {}), **example}
        if "grantee" in body:
            return {**body, "grantee": make_tenant().public_id}
        return {**body, "endpoint": self.rows.id_of("endpoints")} if "endpoint" in body else body

    def body_for(self, name: str) -> dict[str, Any]:
        """Return the valid body without the fields that exclude another one, and so would be at fault with it."""
        excluded = EXCLUDED_BY.get((self.operation.path, name), set())
        return {field: it for field, it in self.valid.items() if field not in excluded}

    def request(self, method: str, body: Any = None) -> Any:
        return self.send_text(method, "" if body is None else json.dumps(body))

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that name the tenant."""
        return {HEADER: self.tenant.public_id}

    def send_text(self, method: str, text: str | bytes) -> Any:
        """Send this text as the body."""
        return self.client.generic(method.upper(), self.path, text, JSON, headers=self.headers)

    def send(self, body: Any) -> Any:
        return self.request(self.operation.method, body)
