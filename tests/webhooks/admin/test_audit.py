"""Test the pages of the audit."""

import json

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from subscriptions.models import Endpoint
from tests.factories import make_endpoint
from tests.webhooks.admin.operators import operator

pytestmark = pytest.mark.django_db


def test_list_finds_the_entries_of_an_object_by_its_id() -> None:
    endpoint, other = make_endpoint(uid="mine"), make_endpoint(uid="other")
    page = operator("view_auditentry").get(f"/admin/webhooks/auditentry/?q={endpoint.public_id}").content.decode()
    assert "mine" in page
    assert "other" not in page
    assert other.public_id not in page


def test_entry_shows_values_before_and_after_escaped() -> None:
    endpoint = make_endpoint()
    Endpoint.objects.filter(pk=endpoint.pk).update(description="<script>alert(1)</script>")
    client = operator("view_auditentry")
    listed = client.get(f"/admin/webhooks/auditentry/?q={endpoint.public_id}").content.decode()
    entry = listed.partition("/admin/webhooks/auditentry/")[2]
    assert entry
    history = client_of_history(endpoint)
    assert "&lt;script&gt;" in history
    assert "<script>alert" not in history


def client_of_history(endpoint: Endpoint) -> str:
    user = User.objects.create_user("viewer", password="x" * 12, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_endpoint"))
    client = Client()
    client.force_login(user)
    return client.get(f"/admin/subscriptions/endpoint/{endpoint.pk}/history/").content.decode()


def test_action_of_the_admin_is_in_the_history_with_the_user() -> None:
    endpoint = make_endpoint()
    client = operator("view_endpoint", "change_endpoint")
    client.post("/admin/subscriptions/endpoint/", {"action": "pause", "_selected_action": [str(endpoint.pk)]})
    page = client.get(f"/admin/subscriptions/endpoint/{endpoint.pk}/history/").content.decode()
    assert "ops" in page
    assert "<b>state</b>: active → paused" in page


def test_history_is_refused_without_the_permission_to_view_the_row() -> None:
    endpoint = make_endpoint()
    assert operator().get(f"/admin/subscriptions/endpoint/{endpoint.pk}/history/").status_code == 403


def test_export_has_a_line_for_each_entry_that_the_list_shows() -> None:
    endpoint = make_endpoint()
    response = operator("view_auditentry").get(f"/admin/webhooks/auditentry/export/?q={endpoint.public_id}")
    lines = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert {it["object_id"] for it in lines} == {endpoint.public_id}
    assert response["Content-Disposition"] == 'attachment; filename="audit.jsonl"'


def test_export_is_refused_without_the_permission() -> None:
    assert operator("view_endpoint").get("/admin/webhooks/auditentry/export/").status_code == 403
