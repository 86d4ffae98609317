"""Bringing dead letters back in the admin: the page counts, its POST acts, and only for who may."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from delivery.models import DeadLetter, Replay
from tests.delivery.admin.rows import make_letter, operator
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db

LIST = "admin:delivery_deadletter_changelist"
REDRIVE = "admin:delivery_deadletter_redrive"


def button(client: Client, **filters: str) -> str | None:
    """Where the list's button leads, with these filters set."""
    context = client.get(reverse(LIST), filters).context
    query = context.get("redrive_query")
    return f"{reverse(REDRIVE)}?{query}" if query else None


def select(client: Client, *letters: DeadLetter) -> str:
    """Where the action leads with these letters chosen."""
    chosen = {"action": "bring_back", "_selected_action": [letter.pk for letter in letters]}
    answer = client.post(reverse(LIST), chosen)
    assert answer.status_code == 302
    return str(answer["Location"])


def test_what_the_filters_show_is_counted_first_and_brought_back_then() -> None:
    letter = make_letter(cause="responded_410")
    make_letter(cause="responded_410")
    make_letter(letter.tenant, cause="expired")
    make_letter(letter.tenant, cause="responded_410", replayed_at=datetime.now(UTC))
    client = operator("add_replay")
    path = button(client, tenant__id__exact=str(letter.tenant_id), cause__exact="responded_410")
    assert path is not None
    asked = client.get(path)
    assert asked.context["total"] == 1
    assert letter.tenant.name in asked.content.decode()
    assert not Replay.objects.exists()
    answer = client.post(path, {"rate": "7"})
    row = Replay.objects.get()
    assert answer["Location"] == reverse("admin:delivery_replay_change", args=[row.pk])
    assert (row.tenant, row.total, row.rate) == (letter.tenant, 1, 7)
    assert (row.filter, row.requested_by) == ({"cause": "responded_410"}, "admin:ops")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.get_username()) == (str(row.pk), "ops")


def test_every_filter_of_the_list_reaches_the_replay() -> None:
    letter = make_letter()
    filters = {
        "tenant__id__exact": str(letter.tenant_id),
        "endpoint__id__exact": str(letter.endpoint_id),
        "cause__exact": "exhausted",
        "state": "open",
        "failed_at_from_0": "2026-01-01",
        "failed_at_to_0": "2099-01-01",
        "failed_at_to_1": "12:00",
    }
    client = operator("add_replay")
    path = button(client, **filters)
    assert path is not None
    assert parse_qs(urlsplit(path).query) == {
        "tenant": [letter.tenant.public_id],
        "endpoint": [letter.endpoint.public_id],
        "cause": ["exhausted"],
        "since": ["2026-01-01T00:00:00+00:00"],
        "until": ["2099-01-01T12:00:00+00:00"],
    }
    assert client.get(path).context["total"] == 1


@pytest.mark.parametrize(
    "filters",
    [
        {"q": "order"},
        {"state": "replayed"},
        {"failed_at_from_0": "2026-02-31"},
        {"failed_at_to_1": "12:00"},
        {"endpoint__id__exact": "nonsense"},
        {"tenant__id__isnull": "True"},
    ],
)
def test_filters_that_cannot_be_carried_over_offer_no_button(filters: dict[str, str]) -> None:
    make_letter()
    client = operator("add_replay")
    answer = client.get(reverse(LIST), filters, follow=True)
    assert answer.status_code == 200
    if answer.redirect_chain:
        return
    assert not answer.context.get("redrive_query")


def test_without_a_filter_the_page_says_that_it_is_everything() -> None:
    make_letter()
    client = operator("add_replay")
    path = button(client)
    assert path is not None
    asked = client.get(path)
    assert (asked.context["total"], asked.context["lines"]) == (1, [("Tenant", "all of them")])


class TestSelections:
    def test_only_what_was_chosen_comes_back_and_its_tenant_sees_it(self) -> None:
        chosen, other = make_letter(), make_letter()
        client = operator("add_replay")
        path = select(client, chosen)
        assert client.get(path).context["total"] == 1
        client.post(path, {"rate": "100"})
        row = Replay.objects.get()
        assert (row.tenant, row.filter) == (chosen.tenant, {"ids": [chosen.public_id]})
        assert row.tenant != other.tenant

    def test_those_of_several_tenants_are_an_operators_replay(self) -> None:
        letters = [make_letter(), make_letter()]
        client = operator("add_replay")
        client.post(select(client, *letters), {"rate": "100"})
        row = Replay.objects.get()
        assert (row.tenant, row.total) == (None, 2)

    def test_it_takes_the_permission(self) -> None:
        letter = make_letter()
        client = operator()
        answer = client.post(reverse(LIST), {"action": "bring_back", "_selected_action": [letter.pk]})
        assert not answer.get("Location", "").startswith(reverse(REDRIVE))
        assert "bring_back" not in client.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_the_permission_there_is_no_page_and_no_button(method: str) -> None:
    make_letter()
    client = operator("change_replay", "change_deadletter")
    assert getattr(client, method)(reverse(REDRIVE) + "?all=1", {"rate": "1"}).status_code == 403
    assert button(client) is None
    assert not Replay.objects.exists()


def test_who_is_not_logged_in_is_sent_to_the_door() -> None:
    assert Client().post(reverse(REDRIVE) + "?all=1", {"rate": "1"}).status_code == 302
    assert not Replay.objects.exists()


def test_a_post_without_a_token_does_nothing() -> None:
    make_letter()
    client = operator("add_replay")
    client.handler.enforce_csrf_checks = True
    assert client.post(reverse(REDRIVE) + "?all=1", {"rate": "1"}).status_code == 403
    assert not Replay.objects.exists()


@pytest.mark.parametrize("rate", ["", "0", "-1", "fast", "10001"])
def test_a_rate_that_makes_no_sense_is_asked_for_again(rate: str) -> None:
    make_letter()
    answer = operator("add_replay").post(reverse(REDRIVE) + "?all=1", {"rate": rate})
    assert (answer.status_code, bool(answer.context["form"].errors)) == (200, True)
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "",
        "tenant=nonsense",
        "tenant=tnt_01m83t2ghzevcannga6my0tf3k",
        "endpoint=nonsense",
        "cause=boredom",
        "since=yesterday",
        "ids=",
        "ids=dl_1,nonsense",
        "colour=red",
    ],
)
def test_a_query_that_makes_no_sense_is_said_and_changes_nothing(query: str) -> None:
    make_letter()
    client = operator("add_replay")
    for verb, data in (("get", {}), ("post", {"rate": "1"})):
        answer: Any = getattr(client, verb)(f"{reverse(REDRIVE)}?{query}", data)
        assert (answer.status_code, answer["Location"]) == (302, reverse(LIST))
    assert not Replay.objects.exists()


def test_a_letter_that_died_after_the_window_is_not_in_it() -> None:
    letter = make_letter(make_tenant(), failed_at=datetime.now(UTC) - timedelta(days=3))
    client = operator("add_replay")
    before, after = (letter.failed_at + timedelta(days=shift) for shift in (-1, 1))
    for until, total in ((before, 0), (after, 1)):
        path = button(client, failed_at_to_0=until.date().isoformat())
        assert path is not None
        assert client.get(path).context["total"] == total
