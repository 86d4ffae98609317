"""Sources that are read in the admin: a form for each kind, tests, state, pause, seek; credentials are never shown."""

from typing import Any

import pytest
from django.test import Client

from tests.factories_receiver import make_source
from tests.webhooks.admin.operators import SEES_ALL, operator
from tests.webhooks.readers import scripted
from tests.webhooks.readers.conftest import read_source, system
from tests.webhooks.readers.scripted import System
from webhooks.admin.read_source_form import ReadSourceForm
from webhooks.models import Source, SourcePartition
from webhooks.readers.slices import run
from webhooks.sources.connections import credentials_of
from webhooks.sources.kinds.kind import Record, Sample, SourceUnavailable
from webhooks.sources.kinds.registry import HTTP, KindEntry, list_kinds

__all__ = ["system"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("receiver", "rules", "system")]

ADD = "/admin/webhooks/source/add/"


def entry(name: str = "scripted") -> KindEntry:
    return next(it for it in list_kinds() if it.name == name)


def blank(source: Source | None = None) -> dict[str, str]:
    """Return the form's values as a browser sends them unchanged."""
    form = ReadSourceForm(kind=entry(), source=source)
    values = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in values.items() if value not in (None, False)}


def add(client: Client, **given: str) -> Any:
    return client.post(f"{ADD}?kind=scripted", {**blank(), **given})


def page(source: Source, name: str) -> str:
    return f"/admin/webhooks/source/{source.pk}/{name}/"


def may_change() -> Client:
    return operator(*SEES_ALL, "add_source", "change_source")


def test_kinds_are_offered_and_each_has_a_form_of_its_settings() -> None:
    client = may_change()
    shown = client.get(f"{ADD}?kinds=1").content.decode()
    for kind in list_kinds():
        if kind.name == HTTP:
            continue
        assert kind.label in shown
        form = client.get(f"{ADD}?kind={kind.name}")
        assert form.status_code == 200
        for setting in kind.settings:
            assert f'name="{setting.path.replace(".", "__")}"' in form.content.decode(), setting.path


def test_source_is_created_from_its_form_and_its_credentials_are_not_shown() -> None:
    client = may_change()
    made = add(client, settings__topic="orders", credentials__password="s3cret", uid="orders")
    assert "created" in made.content.decode()
    source = Source.objects.get()
    assert (source.kind, source.scheme, source.settings["topic"]) == ("scripted", "none", "orders")
    assert credentials_of(source) == {"password": "s3cret"}
    for url in (page(source, "edit"), page(source, "change"), page(source, "reading"), "/admin/webhooks/source/"):
        response = client.get(url)
        assert response.status_code == 200
        assert b"s3cret" not in response.content


def test_errors_stand_at_their_settings() -> None:
    client = may_change()
    shown = add(client, settings__topic="missing", credentials__password="s3cret").content.decode()
    assert "There is no topic missing." in shown
    assert "s3cret" not in shown
    assert not Source.objects.exists()
    assert "created" in add(client, settings__topic="missing", skip_test="on").content.decode()


def test_test_button_shows_the_latest_record_and_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(id="7", body=b'{"n": "<7>"}')
    monkeypatch.setattr(scripted.Scripted, "test", lambda _kind, _connection: Sample("Found it.", record))
    shown = add(may_change(), settings__topic="orders", test="1").content.decode()
    assert "Found it." in shown
    assert "&lt;7&gt;" in shown
    assert not Source.objects.exists()


def test_edit_changes_settings_and_keeps_credentials_that_are_left_empty() -> None:
    source = read_source(credentials={"password": "s3cret"})
    client = may_change()
    given = {**blank(source), "version": source.updated_at.isoformat(), "settings__topic": "payments"}
    assert client.post(page(source, "edit"), given).status_code == 302
    source.refresh_from_db()
    assert (source.settings["topic"], credentials_of(source)) == ("payments", {"password": "s3cret"})


def test_page_shows_state_lag_error_and_partitions(system: System) -> None:
    source = read_source()
    system.add(b'{"n": 1}')
    run(seconds=0.1)
    client = may_change()
    shown = client.get(page(source, "change")).content.decode()
    assert "reading</span>" in shown
    assert "0 records behind" in shown
    system.failure = SourceUnavailable("Access denied <b>.", "credentials.password")
    SourcePartition.objects.update(next_read_at="2020-01-01T00:00:00Z")
    run(seconds=0.1)
    shown = client.get(page(source, "change")).content.decode()
    assert "credentials.password: Access denied &lt;b&gt;." in shown


def test_page_shows_partitions_in_the_order_of_their_numbers_with_state_and_warning(system: System) -> None:
    source = read_source("partitioned")
    SourcePartition.objects.filter(source=source).update(warning="The slot holds back 9 GiB.", lag_bytes=9 * 1024**3)
    for name in ("10", "2", "1"):
        row = SourcePartition(source=source, owner=source.pk, name=name, lag_records=1_234_567, lag_seconds=7_500.0)
        row.failures, row.failing_since = (3, source.created_at) if name == "2" else (0, None)
        row.save()
    shown = may_change().get(page(source, "reading")).content.decode()
    assert [shown.index(f"<td>{name}</td>") for name in ("1", "2", "10")] == sorted(
        shown.index(f"<td>{name}</td>") for name in ("1", "2", "10")
    )
    for text in ("The slot holds back 9 GiB.", "9.0\xa0GB kept", "failed 3 times", "1,234,567", "2 h 5 min behind"):
        assert text in shown, text
    assert "1 of 3 partitions fail." in shown


def test_list_and_page_of_a_source_that_is_read_show_what_it_has(system: System) -> None:
    client = may_change()
    for changes, state in (
        ({}, "reading"),
        ({"failing_since": "2026-01-01T00:00:00Z"}, "failing"),
        ({"warning": "Much WAL."}, "warning"),
    ):
        source = read_source()
        SourcePartition.objects.filter(source=source).update(**changes)
        assert f">{state}</span>" in client.get("/admin/webhooks/source/").content.decode()
        Source.objects.exclude(pk=source.pk).delete()
    shown = client.get(page(source, "change")).content.decode()
    assert "Responses to other outcomes" not in shown
    posted = make_source()
    shown = client.get(page(posted, "change")).content.decode()
    assert "Responses to other outcomes" in shown
    assert "Senders post to it." not in shown


def test_pause_and_resume_stop_and_start_reading() -> None:
    source = read_source()
    client = may_change()
    client.post(page(source, "reading"), {"action": "pause"})
    assert SourcePartition.objects.get().next_read_at is None
    client.post(page(source, "reading"), {"action": "resume"})
    assert SourcePartition.objects.get().next_read_at is not None
    client.post("/admin/webhooks/source/", {"action": "pause", "_selected_action": [str(source.pk)]})
    assert SourcePartition.objects.get().next_read_at is None


def test_seek_needs_confirmation(system: System) -> None:
    source = read_source()
    system.add(b'{"n": 1}', b'{"n": 2}')
    client = may_change()
    client.post(page(source, "reading"), {"action": "seek", "to": "latest"})
    assert SourcePartition.objects.get().position is None
    assert client.post(page(source, "reading"), {"action": "seek", "to": "latest", "confirm": "on"}).status_code == 302
    assert SourcePartition.objects.get().position == 2
    for wrong in ({"to": "time"}, {"to": "time", "time": "2030-01-31 12:00:00"}):
        shown = client.post(page(source, "reading"), {"action": "seek", "confirm": "on", **wrong})
        assert "wp-error" in shown.content.decode()


def test_seek_names_a_partition_only_where_there_are_several(system: System) -> None:
    client = may_change()
    assert 'name="partition"' not in client.get(page(read_source(), "reading")).content.decode()
    partitioned = read_source("partitioned")
    assert 'name="partition"' in client.get(page(partitioned, "reading")).content.decode()
    wrong = {"action": "seek", "confirm": "on", "to": "latest", "partition": "x"}
    assert "No partition with this name." in client.post(page(partitioned, "reading"), wrong).content.decode()


def test_stored_settings_are_tested() -> None:
    source = read_source(settings={"topic": "missing"})
    shown = may_change().post(page(source, "reading"), {"action": "test"}, follow=True).content.decode()
    assert "settings.topic: There is no topic missing." in shown


def test_pages_need_the_permission_to_change_sources() -> None:
    source = read_source()
    viewer = operator(*SEES_ALL)
    assert viewer.get(page(source, "reading")).status_code == 403
    assert viewer.post(page(source, "reading"), {"action": "pause"}).status_code == 403
    assert viewer.get(f"{ADD}?kind=scripted").status_code == 403
