"""Add and revoke the secrets of a source in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from tests.factories_receiver import SECRET, make_source
from tests.webhooks.admin.operators import SEES_ALL, operator
from webhooks.models import Source
from webhooks.sources.snapshot import find_source
from webhooks.wire.signing.keys import new_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]


def send(client: Client, source: Source, **given: str) -> Any:
    return client.post(f"/admin/webhooks/source/{source.pk}/secrets/", given)


def texts(source: Source) -> list[str]:
    return [secret.text for secret in find_source(source.public_id).secrets]


def test_generated_secret_is_shown_once_and_the_old_one_stays_valid_for_the_overlap() -> None:
    source, client = make_source(), operator(*SEES_ALL, "add_sourcesecret")
    shown = send(client, source, secret="", overlap_seconds="60").content.decode()
    made, old = texts(source)
    assert made in shown
    assert old == SECRET not in shown
    assert made not in client.get(f"/admin/webhooks/source/{source.pk}/secrets/").content.decode()
    assert made not in LogEntry.objects.get().get_change_message()
    assert source.secrets.order_by("id").first().expires_at is not None


def test_given_secret_is_not_shown() -> None:
    source, given = make_source(), new_secret()
    shown = send(operator(*SEES_ALL, "add_sourcesecret"), source, secret=given, overlap_seconds="0").content.decode()
    assert given not in shown
    assert texts(source)[0] == given


@pytest.mark.parametrize(
    ("given", "overlap"), [("no base64!", "60"), ("", "-1"), ("", "soon"), ("", ""), ("x" * 8193, "60"), ("\0", "60")]
)
def test_invalid_value_is_reported_and_nothing_changed(given: str, overlap: str) -> None:
    source = make_source()
    shown = send(operator(*SEES_ALL, "add_sourcesecret"), source, secret=given, overlap_seconds=overlap)
    assert "wp-error" in shown.content.decode()
    assert texts(source) == [SECRET]


def test_secret_is_not_generated_for_a_scheme_whose_sender_issues_it() -> None:
    source = make_source(scheme="github")
    shown = send(operator(*SEES_ALL, "add_sourcesecret"), source, secret="", overlap_seconds="60")
    assert "the sender issues the secret" in shown.content.decode()


def test_revoked_secret_is_invalid_at_once() -> None:
    source, client = make_source(), operator(*SEES_ALL, "delete_sourcesecret")
    revoked = source.secrets.get().public_id
    assert send(client, source, revoke=revoked).status_code == 302
    assert texts(source) == []
    assert LogEntry.objects.get().get_change_message() == f"revoked {revoked}"


def test_secret_of_another_source_is_not_revoked() -> None:
    source, other = make_source(), make_source()
    send(operator(*SEES_ALL, "delete_sourcesecret"), source, revoke=other.secrets.get().public_id)
    send(Client(), source, revoke="nonsense")
    assert texts(other) == [SECRET]
    assert not LogEntry.objects.exists()


def test_revoking_without_its_permission_is_forbidden() -> None:
    source, client = make_source(), operator(*SEES_ALL, "change_source", "add_sourcesecret")
    assert send(client, source, revoke=source.secrets.get().public_id).status_code == 403
    assert "Revoke" not in client.get(f"/admin/webhooks/source/{source.pk}/secrets/").content.decode()
    assert texts(source) == [SECRET]


def test_page_without_permissions_is_forbidden() -> None:
    source, client = make_source(), operator(*SEES_ALL, "change_source")
    assert client.get(f"/admin/webhooks/source/{source.pk}/secrets/").status_code == 403
    assert send(client, source, secret="", overlap_seconds="60").status_code == 403


def test_adding_without_its_permission_is_forbidden() -> None:
    source = make_source()
    assert send(operator(*SEES_ALL, "delete_sourcesecret"), source, secret="", overlap_seconds="6").status_code == 403
    assert texts(source) == [SECRET]
