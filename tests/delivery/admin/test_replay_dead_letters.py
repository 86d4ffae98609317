"""Replay dead letters in the admin: the page counts, POST creates the replay, and the permission is required."""

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
PAGE = "admin:delivery_deadletter_replay"


def button(client: Client, **filters: str) -> str | None:
    """Return the path of the list's button with these filters set."""
    context = client.get(reverse(LIST), filters).context
    query = context.get("replay_query")
    return f"{reverse(PAGE)}?{query}" if query else None


def select(client: Client, *letters: DeadLetter) -> str:
    """Return the path the action leads to with these dead letters selected."""
    chosen = {"action": "replay_selected", "_selected_action": [letter.pk for letter in letters]}
    response = client.post(reverse(LIST), chosen)
    assert response.status_code == 302
    return str(response["Location"])


def test_replay_by_filter_counts_first_and_creates_replay_on_post() -> None:
    letter = make_letter(cause="responded_410")
    make_letter(cause="responded_410")
    make_letter(letter.tenant, cause="expired")
    make_letter(letter.tenant, cause="responded_410", closed_at=datetime.now(UTC))
    client = operator("add_replay")
    path = button(client, tenant__id__exact=str(letter.tenant_id), cause__exact="responded_410")
    assert path is not None
    confirmation = client.get(path)
    assert confirmation.context["total"] == 1
    assert letter.tenant.name in confirmation.content.decode()
    assert not Replay.objects.exists()
    response = client.post(path, {"rate": "7"})
    row = Replay.objects.get()
    assert response["Location"] == reverse("admin:delivery_replay_change", args=[row.pk])
    assert (row.tenant, row.total, row.rate) == (letter.tenant, 1, 7)
    assert (row.filter, row.requested_by) == ({"cause": "responded_410"}, "admin:ops")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user.get_username()) == (str(row.pk), "ops")


def test_page_with_nothing_to_replay_says_so_beside_its_disabled_button() -> None:
    client = operator("add_replay")
    shown = client.get(select(client, make_letter(closed_at=datetime.now(UTC)))).content.decode()
    assert "Nothing to do: this changes nothing that is selected." in shown
    assert "1 dead letter<" in shown
    assert "Nothing to do" not in client.get(select(client, make_letter())).content.decode()


def test_every_filter_of_the_list_is_carried_to_the_page() -> None:
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
        "state": ["open"],
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
def test_list_with_filter_unknown_to_replays_offers_no_button(filters: dict[str, str]) -> None:
    make_letter()
    client = operator("add_replay")
    response = client.get(reverse(LIST), filters, follow=True)
    assert response.status_code == 200
    if response.redirect_chain:
        return
    assert not response.context.get("replay_query")


def test_page_without_filter_says_all_tenants() -> None:
    make_letter()
    client = operator("add_replay")
    path = button(client)
    assert path is not None
    confirmation = client.get(path)
    assert confirmation.context["total"] == 1
    assert "all tenants" in confirmation.content.decode()


def test_replay_of_all_tenants_needs_the_words_typed() -> None:
    make_letter()
    client = operator("add_replay")
    for given in ({}, {"confirm": "yes"}, {"all": "on"}):
        refused = client.post(reverse(PAGE) + "?all=1", {"rate": "5", **given})
        assert (refused.status_code, list(refused.context["form"].errors)) == (200, ["confirm"])
    assert not Replay.objects.exists()
    client.post(reverse(PAGE) + "?all=1", {"rate": "5", "confirm": "all tenants"})
    assert Replay.objects.get().total == 1


def test_replay_of_a_whole_tenant_needs_the_confirmation_that_it_is_everything() -> None:
    letter = make_letter()
    client = operator("add_replay")
    path = f"{reverse(PAGE)}?tenant={letter.tenant.public_id}"
    refused = client.post(path, {"rate": "5"})
    assert (refused.status_code, list(refused.context["form"].errors)) == (200, ["all"])
    client.post(path, {"rate": "5", "all": "on"})
    assert Replay.objects.get().tenant == letter.tenant


def test_page_previews_endpoints_types_and_times() -> None:
    failed_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    letter = make_letter(failed_at=failed_at)
    page = operator("add_replay").get(reverse(PAGE), {"tenant": letter.tenant.name})
    details = page.context["details"]
    assert (details.oldest, details.newest) == (failed_at, failed_at)
    assert [(it.endpoint, it.count) for it in details.endpoints] == [(letter.endpoint, 1)]
    assert [(it.type, it.count) for it in details.types] == [(letter.delivery.event.type, 1)]
    assert "2026-01-02 03:04:05" in page.content.decode()


def test_times_of_the_form_are_utc_and_select_by_failed_attempts() -> None:
    letter = make_letter()
    at = letter.delivery.history.get().started_at
    client = operator("add_replay")
    for since, found in ((at - timedelta(minutes=2), 1), (at + timedelta(minutes=2), 0)):
        given = {"tenant": letter.tenant.public_id, "attempted_since": f"{since:%Y-%m-%dT%H:%M}"}
        assert client.get(reverse(PAGE), given).context["total"] == found


class TestSelections:
    def test_selected_dead_letters_of_one_tenant_become_its_replay(self) -> None:
        chosen, other = make_letter(), make_letter()
        client = operator("add_replay")
        path = select(client, chosen)
        assert client.get(path).context["total"] == 1
        client.post(path, {"rate": "100"})
        row = Replay.objects.get()
        assert (row.tenant, row.filter) == (chosen.tenant, {"ids": [chosen.public_id]})
        assert row.tenant != other.tenant

    def test_selected_dead_letters_of_several_tenants_become_an_operators_replay(self) -> None:
        letters = [make_letter(), make_letter()]
        client = operator("add_replay")
        client.post(select(client, *letters), {"rate": "100"})
        row = Replay.objects.get()
        assert (row.tenant, row.total) == (None, 2)

    def test_action_without_permission_does_nothing(self) -> None:
        letter = make_letter()
        client = operator()
        response = client.post(reverse(LIST), {"action": "replay_selected", "_selected_action": [letter.pk]})
        assert not response.get("Location", "").startswith(reverse(PAGE))
        assert "replay_selected" not in client.get(reverse(LIST)).content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_page_without_permission_is_forbidden_and_button_hidden(method: str) -> None:
    make_letter()
    client = operator("change_replay")
    assert getattr(client, method)(reverse(PAGE) + "?all=1", {"rate": "1"}).status_code == 403
    assert button(client) is None
    assert not Replay.objects.exists()


def test_page_without_login_redirects() -> None:
    assert Client().post(reverse(PAGE) + "?all=1", {"rate": "1"}).status_code == 302
    assert not Replay.objects.exists()


def test_post_without_csrf_token_does_nothing() -> None:
    make_letter()
    client = operator("add_replay")
    client.handler.enforce_csrf_checks = True
    assert client.post(reverse(PAGE) + "?all=1", {"rate": "1"}).status_code == 403
    assert not Replay.objects.exists()


@pytest.mark.parametrize("rate", ["", "0", "-1", "fast", "10001"])
def test_invalid_rate_shows_the_form_again(rate: str) -> None:
    make_letter()
    response = operator("add_replay").post(reverse(PAGE) + "?all=1", {"rate": rate})
    assert (response.status_code, bool(response.context["form"].errors)) == (200, True)
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
        "ids=,",
        "ids=dl_1,nonsense",
        "colour=red",
    ],
)
def test_invalid_query_redirects_to_the_list_and_changes_nothing(query: str) -> None:
    make_letter()
    client = operator("add_replay")
    for verb, data in (("get", {}), ("post", {"rate": "1"})):
        response: Any = getattr(client, verb)(f"{reverse(PAGE)}?{query}", data)
        assert (response.status_code, response["Location"]) == (302, reverse(LIST))
    assert not Replay.objects.exists()


def test_dead_letter_outside_the_time_range_is_not_counted() -> None:
    letter = make_letter(make_tenant(), failed_at=datetime.now(UTC) - timedelta(days=3))
    client = operator("add_replay")
    before, after = (letter.failed_at + timedelta(days=shift) for shift in (-1, 1))
    for until, total in ((before, 0), (after, 1)):
        path = button(client, failed_at_to_0=until.date().isoformat())
        assert path is not None
        assert client.get(path).context["total"] == total
