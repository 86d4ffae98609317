"""Rows with numbers that were stored before such were refused: jsonb returns 1e300 with all its digits."""

from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from django.test import Client

from subscriptions.models import Endpoint, Tenant
from tests.factories import make_client, make_endpoint, make_tenant
from tests.factories_receiver import make_source
from webhooks.models import Source

pytestmark = pytest.mark.django_db

LARGE = 1e300


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    made = make_endpoint(tenant)
    Endpoint.objects.filter(pk=made.pk).update(metadata={"n": LARGE})
    made.refresh_from_db()
    assert made.metadata["n"] == 10**300
    return made


def test_row_is_shown_listed_and_changed(tenant: Tenant, endpoint: Endpoint) -> None:
    client, path = make_client(tenant), f"/api/v1/endpoints/{endpoint.public_id}/"
    shown = client.get(path)
    assert (shown.status_code, orjson.loads(shown.content)["metadata"]) == (200, {"n": LARGE})
    assert client.get("/api/v1/endpoints/").status_code == 200
    changed = client.patch(path, {"description": "new"}, format="json", headers={"if-match": shown["ETag"]})
    assert changed.status_code == 200
    refused = client.patch(path, {"metadata": {"n": LARGE}}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "metadata")


def test_source_is_shown(tenant: Tenant) -> None:
    source = make_source(tenant_id=tenant.pk)
    Source.objects.filter(pk=source.pk).update(handlers=[{"handler": "publish", "pattern": {"data": {"n": [LARGE]}}}])
    client = make_client(tenant)
    assert client.get(f"/api/v1/sources/{source.public_id}/").status_code == 200
    assert client.get("/api/v1/sources/").status_code == 200
    admin = Client()
    admin.force_login(User.objects.create_superuser("ada", password="x" * 12))
    assert admin.get(f"/admin/webhooks/source/{source.pk}/change/").status_code == 200


def test_audit_of_the_row_is_shown_and_exported(tenant: Tenant, endpoint: Endpoint) -> None:
    client, query = make_client(tenant), f"?object={endpoint.public_id}"
    assert client.get(f"/api/v1/audit/{query}").status_code == 200
    exported: Any = client.get(f"/api/v1/audit/export/{query}")
    lines = b"".join(exported.streaming_content).splitlines()
    assert orjson.loads(lines[-1])["after"] == {"metadata": {"n": LARGE}}
    admin = Client()
    admin.force_login(User.objects.create_superuser("ada", password="x" * 12))
    assert admin.get(f"/admin/subscriptions/endpoint/{endpoint.pk}/history/").status_code == 200
    listed: Any = admin.get(f"/admin/webhooks/auditentry/export/?q={endpoint.public_id}")
    assert orjson.loads(b"".join(listed).splitlines()[0])["after"] == {"metadata": {"n": LARGE}}
