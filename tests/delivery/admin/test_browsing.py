"""Check the lists of the provider's admin: cost, permissions, search and filters."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from delivery.admin.time_filter import TimeRangeFilter
from delivery.models import Lane
from tests.delivery.admin.rows import CHANGELISTS, make_letter, operator
from tests.delivery.factories import make_replay

pytestmark = pytest.mark.django_db


def list_page(client: Client, table: str, **query: str) -> str:
    response = client.get(reverse(f"admin:delivery_{table}_changelist"), query)
    assert response.status_code == 200
    return str(response.content.decode())


@pytest.mark.parametrize("table", CHANGELISTS)
def test_list_counts_no_table(table: str) -> None:
    letter = make_letter()
    Lane.objects.get_or_create(endpoint=letter.endpoint, tenant=letter.tenant)
    make_replay(letter.tenant)
    client = operator("add_replay")
    with CaptureQueriesContext(connection) as queries:
        list_page(client, table)
    assert not [query["sql"] for query in queries if "COUNT(" in query["sql"]]


@pytest.mark.parametrize("table", CHANGELISTS)
def test_longer_list_takes_no_more_queries(table: str) -> None:
    client = operator("add_replay")

    def queries_of_one_more() -> int:
        letter = make_letter()
        Lane.objects.get_or_create(endpoint=letter.endpoint, tenant=letter.tenant)
        make_replay(letter.tenant)
        with CaptureQueriesContext(connection) as queries:
            list_page(client, table)
        return len(queries)

    queries_of_one_more()
    assert queries_of_one_more() == queries_of_one_more()


@pytest.mark.parametrize("table", CHANGELISTS)
def test_list_without_permission_is_forbidden(table: str) -> None:
    path = reverse(f"admin:delivery_{table}_changelist")
    assert Client().get(path).status_code == 302
    client = Client()
    client.force_login(User.objects.create_user("guest", is_staff=True))
    assert client.get(path).status_code == 403


@pytest.mark.parametrize("table", CHANGELISTS)
def test_row_cannot_be_added_changed_or_deleted(table: str) -> None:
    letter = make_letter()
    Lane.objects.get_or_create(endpoint=letter.endpoint, tenant=letter.tenant)
    rows: dict[str, Any] = {
        "event": letter.delivery.event,
        "delivery": letter.delivery,
        "deadletter": letter,
        "replay": make_replay(letter.tenant),
        "lane": letter.endpoint.lane,
    }
    client = operator(*(f"{verb}_{table}" for verb in ("add", "change", "delete")))
    page = reverse(f"admin:delivery_{table}_change", args=[rows[table].pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {}).status_code == 403
    assert client.get(reverse(f"admin:delivery_{table}_add")).status_code == 403
    assert client.get(reverse(f"admin:delivery_{table}_delete", args=[rows[table].pk])).status_code == 403


def test_search_finds_row_by_any_of_its_ids() -> None:
    letter, other = make_letter(), make_letter()
    delivery, event = letter.delivery, letter.delivery.event
    client = operator()
    for table, row, terms in [
        ("event", event, [event.public_id, event.event_id, str(event.pk)]),
        ("delivery", delivery, [delivery.public_id, event.public_id, letter.endpoint.public_id, event.event_id]),
        ("deadletter", letter, [letter.public_id, delivery.public_id, event.public_id, f" {event.event_id} "]),
    ]:
        for term in terms:
            found = list_page(client, table, q=term)
            page = reverse(f"admin:delivery_{table}_change", args=[row.pk])
            assert page in found, (table, term)
            assert found.count(f"/admin/delivery/{table}/0") == found.count(page), (table, term)
    assert str(other.pk) not in list_page(client, "deadletter", q=letter.public_id)


@pytest.mark.parametrize("term", ["nonsense", "evt_1", "evt_", "_", "\0", "%", "'; --", "x" * 5000])
@pytest.mark.parametrize("table", CHANGELISTS)
def test_search_for_invalid_term_shows_empty_list(table: str, term: str) -> None:
    make_letter()
    assert list_page(operator(), table, q=term)


@pytest.mark.parametrize(
    "query",
    [
        {"tenant__id__exact": "nonsense"},
        {"endpoint__id__exact": "1"},
        {"failed_at_from_0": "someday", "failed_at_to_1": "late"},
        {"failed_at_from_0": "2026-02-31"},
        {"state": "lost"},
        {"cause__exact": "boredom"},
        {"p": "99999999999"},
    ],
)
def test_invalid_filter_causes_no_server_error(query: dict[str, str]) -> None:
    response = operator("add_replay").get(reverse("admin:delivery_deadletter_changelist"), query)
    assert response.status_code in (200, 302)


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({}, None, None),
        ({"at_from_0": "2026-01-02"}, datetime(2026, 1, 2, tzinfo=UTC), None),
        ({"at_from_0": "2026-01-02", "at_from_1": "13:30"}, datetime(2026, 1, 2, 13, 30, tzinfo=UTC), None),
        ({"at_to_0": "2026-01-02"}, None, datetime(2026, 1, 3, tzinfo=UTC)),
        ({"at_to_0": "2026-01-02", "at_to_1": "13:30:05"}, None, datetime(2026, 1, 2, 13, 30, 5, tzinfo=UTC)),
        ({"at_to_0": "9999-12-31"}, None, datetime.max.replace(tzinfo=UTC)),
        ({"at_from_1": "13:30"}, None, None),
        ({"at_from_0": "2026-02-31", "at_to_0": "x"}, None, None),
    ],
)
def test_time_range_is_read_from_days_and_times(
    given: dict[str, str], since: datetime | None, until: datetime | None
) -> None:
    assert TimeRangeFilter.read(given, "at") == (since, until)
