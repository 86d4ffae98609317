"""Lists without rows say where rows come from; those that a search has emptied say what was searched for."""

import pytest
from django.contrib import admin
from django.test import Client

from config.access.roles import make_roles
from delivery.models import Event, Replay
from subscriptions.models import Plan, Role
from tests.config.admin.pages import WITHOUT_ROWS, page_of, signed_in
from tests.factories import make_plan

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    make_roles()
    return signed_in(Role.ADMINISTRATOR)


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def test_every_list_says_where_its_rows_come_from() -> None:
    notes = {model: getattr(page, "empty_note", "") for model, page in admin.site._registry.items()}
    assert [model for model, note in notes.items() if model not in WITHOUT_ROWS and not note.endswith(".")] == []


def test_list_without_rows_shows_its_note_and_no_pages(client: Client) -> None:
    shown = text_of(client, page_of(Replay, "changelist"))
    assert "No replays" in shown
    assert "A replay is started on the lists of dead letters and of events" in shown
    assert ">Next<" not in shown


def test_search_without_results_says_what_was_searched_for_and_leads_to_all(client: Client) -> None:
    shown = text_of(client, f"{page_of(Event, 'changelist')}?q=nothing")
    assert "No events match" in shown
    assert "Searched for “nothing”." in shown
    assert "Show all" in shown


def test_list_of_one_page_shows_the_number_of_its_rows(client: Client) -> None:
    make_plan(), make_plan()
    shown = text_of(client, page_of(Plan, "changelist"))
    assert ">2 plans<" in shown
    assert ">Next<" not in shown


def test_title_of_a_list_is_its_name(client: Client) -> None:
    for model in admin.site._registry.keys() - WITHOUT_ROWS:
        title = str(model._meta.verbose_name_plural)
        found = text_of(client, page_of(model, "changelist")).partition("<title>")[2].partition("</title>")[0]
        assert found.strip() == f"{title[:1].upper()}{title[1:]} | Waypost"
