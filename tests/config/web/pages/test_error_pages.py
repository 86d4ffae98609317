"""Errors of the admin are shown in its frame, with what can be done."""

import pytest
from django.contrib import admin
from django.test import Client

from config.access.roles import make_roles
from config.web.request_ids import HEADER
from delivery.models import Schedule
from subscriptions.models import Role
from tests.config.admin.pages import page_of, signed_in
from tests.delivery.schedules.factories import make_schedule

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    make_roles()
    return signed_in(Role.ADMINISTRATOR)


def test_error_page_names_the_id_of_the_request(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.raise_request_exception = False
    monkeypatch.setattr(admin.site._registry[Schedule], "get_queryset", lambda *_: 1 / 0)
    response = client.get(page_of(Schedule, "changelist"))
    assert response.status_code == 500
    assert f"<code>{response.headers[HEADER]}</code>" in response.content.decode()


def test_address_that_only_takes_a_form_has_a_page_that_says_so(client: Client) -> None:
    row = make_schedule()
    response = client.get(page_of(Schedule, "run", row.pk))
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert "This address takes what a button sends" in response.content.decode()
