"""No list reads a row more for each row it shows: over all lists of the API, all pages of the portal and of the admin.

A new list is found by its route. What it lists has to be created (``tests.many_rows``), or the test says so.
"""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.test import APIClient

from delivery.portal.urls import portal_urlpatterns
from subscriptions.models import Tenant
from tests.api.operations import Operation, operations
from tests.api.tenant_rows import TenantRows
from tests.config.admin.pages import WITHOUT_ROWS, page_of
from tests.delivery.portal.found_forms import KIND_OF
from tests.delivery.portal.sessions import portal_client
from tests.factories import make_client, make_tenant
from tests.many_rows import add_rows
from webhooks.kit.admin.lists import AdminList

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

FEW, MANY = 3, 15
TOLERANCE = 5  # queries: of what is remembered for a second, such as a key, and of what only some rows have
OF_THE_PLATFORM = {"tenants", "plans", "broadcasts"}  # lists that have many rows for a platform key only
NOT_READING = {"pull_messages"}  # leases the messages, so that no second request gets them
LISTS = [it for it in operations() if "limit" in it.query_parameters and it.method == "get"]
LISTS = [it for it in LISTS if it.needs_key and it.described["operationId"] not in NOT_READING]


@pytest.fixture
def first() -> TenantRows:
    """Return the rows of a tenant, of each resource one; those below them get children."""
    rows = TenantRows(make_tenant())
    rows.all()
    return rows


def queries_of(client: Client, path: str, query: str = "") -> tuple[int, Any]:
    """Return how many queries a page takes, and the response."""
    with CaptureQueriesContext(connection) as taken:
        response = client.get(f"{path}{query and f'?{query}'}")
    assert response.status_code == 200, (path, query, response.content[:500])
    return len(taken), response


def variants(operation: Operation) -> list[str]:
    """Return the queries with which a list is read: as it is, and with all that may be included."""
    described = [it["description"] for it in operation.described["parameters"] if it["name"] == "include"]
    names = [it.rpartition(": ")[2].rstrip(".").replace(", ", ",") for it in described]
    return ["", *(f"&include={it}" for it in names)]


@pytest.mark.parametrize("is_platform", [False, True], ids=["tenant", "platform"])
def test_longer_page_of_a_list_of_the_api_takes_no_more_queries(first: TenantRows, is_platform: bool) -> None:
    add_rows(first, MANY)
    client: APIClient = make_client(None if is_platform else first.tenant)
    more, short = [], []
    for operation in LISTS:
        if not is_platform and operation.path.split("/")[3] in OF_THE_PLATFORM:
            continue
        path = operation.path.format_map(first.ids_in(operation.path))
        for query in variants(operation):
            queries_of(client, path, f"limit=1{query}")  # loads what is read once
            counts = {limit: queries_of(client, path, f"limit={limit}{query}") for limit in (FEW, MANY)}
            if (found := len(counts[MANY][1].json()["data"])) < MANY:
                short.append(f"{operation}: {found}")
            if counts[MANY][0] > counts[FEW][0] + TOLERANCE:
                more.append(f"{operation}{query}: {counts[FEW][0]} for {FEW}, {counts[MANY][0]} for {MANY}")
    assert more == []
    assert short == [], "create more of these in tests/many_rows.py"


def portal_paths(first: TenantRows) -> list[str]:
    """Return the path of every page of the portal that shows something, with ids of these rows."""
    found = []
    for route in portal_urlpatterns:
        text = str(route.pattern)
        names = set(route.pattern.converters)
        if names <= {"ref", "attempt"} and getattr(getattr(route.callback, "view_class", None), "get", None):
            ids = {"<str:ref>": first.id_of(KIND_OF[text.split("/")[1]])} if "ref" in names else {}
            ids |= {"<str:attempt>": first.id_of("deliveries/attempts")} if "attempt" in names else {}
            for name, value in ids.items():
                text = text.replace(name, value)
            found.append(f"/{text}")
    return found


def test_page_of_the_portal_takes_no_more_queries_for_more_rows(first: TenantRows) -> None:
    add_rows(first, FEW - 1)
    paths = portal_paths(first)
    clients = {path: portal_client(first.tenant) for path in paths}  # a session may send few requests at once

    def counts() -> dict[str, int]:
        return {path: queries_of(client, path)[0] for path, client in clients.items()}

    counts()  # loads what is read once
    few = counts()
    add_rows(first, MANY - FEW)
    many = counts()
    assert len(paths) > 20
    assert {path: (few[path], many[path]) for path in paths if many[path] > few[path] + TOLERANCE} == {}


def add_users(count: int) -> None:
    """Create users with second factors, and groups."""
    for _ in range(count):
        number = User.objects.count()
        user = User.objects.create_user(f"user {number}", password=None, is_staff=True)
        user.groups.add(Group.objects.create(name=f"group {number}"))
        StaticDevice.objects.create(user=user, name="codes"), TOTPDevice.objects.create(user=user, name="phone")


def test_list_of_the_admin_takes_no_more_queries_for_more_rows(first: TenantRows) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=None))
    models = [it for it in admin.site._registry if it not in WITHOUT_ROWS]

    def counts() -> dict[str, tuple[int, int]]:
        found = {}
        for model in models:
            queries_of(client, page_of(model, "changelist"))
            taken, response = queries_of(client, page_of(model, "changelist"))
            found[model._meta.label] = taken, len(response.context["cl"].result_list)
        return found

    add_rows(first, FEW - 1)
    add_users(FEW)
    few = counts()
    add_rows(first, MANY - FEW)
    add_users(MANY - FEW)
    many = counts()
    assert {it: (few[it], many[it]) for it in few if many[it][0] > few[it][0] + TOLERANCE} == {}
    assert [it for it in few if many[it][1] <= few[it][1] < AdminList.list_per_page] == [], "create more of these"
    assert Tenant.objects.count() > MANY
