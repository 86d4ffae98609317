"""Create and change sources in the admin: as over REST, with permissions of their own, each secret shown once."""

from collections.abc import Hashable
from concurrent.futures import Future
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from tests.dns_server import Answer, DnsServer
from tests.factories import make_plan, make_tenant
from tests.factories_receiver import SECRET, make_source, signed
from tests.webhooks.admin.operators import SEES_ALL, operator
from webhooks.admin.source_form import RetryPlanField, SourceForm
from webhooks.models import Receipt, Source
from webhooks.outgoing import resolver
from webhooks.schemes import SCHEMES
from webhooks.senders.presets import find_sender, sender_names
from webhooks.sources.snapshot import find_source
from webhooks.wire.ids import public

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("receiver", "rules")]

ADD = "/admin/webhooks/source/add/"


def blank(source: Source | None = None) -> dict[str, str]:
    """Return the form's values as a browser sends them unchanged."""
    form = SourceForm(source=source)
    values = {name: form[name].value() for name in form.fields}
    return {name: str(value) for name, value in values.items() if value not in (None, False)}


def add(client: Client, **given: str) -> Any:
    return client.post(ADD, {**blank(), **given})


def edit(client: Client, source: Source, **given: str) -> Any:
    source.refresh_from_db()
    sent = {**blank(source), "version": source.updated_at.isoformat(), **given}
    return client.post(f"/admin/webhooks/source/{source.pk}/edit/", sent)


def test_source_form_offers_every_scheme_with_its_label() -> None:
    shown = operator(*SEES_ALL, "add_source").get(ADD).content.decode()
    assert all(f'value="{name}"' in shown and escape(scheme.label) in shown for name, scheme in SCHEMES.items())


def test_source_with_defaults_accepts_messages_and_its_generated_secret_is_shown_once() -> None:
    client = operator(*SEES_ALL, "add_source")
    shown = add(client, uid="shop", scheme="standard")
    source = Source.objects.get()
    secret = find_source(source.public_id).secrets[0].text
    assert secret in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    address = f"/in/{source.public_id}/"
    assert address in shown.content.decode()
    accepted = Client().post(address, b"{}", "application/json", headers=signed(b"{}", secret=secret))
    assert accepted.status_code == 202
    for page in ("change/", "history/"):
        assert secret not in client.get(f"/admin/webhooks/source/{source.pk}/{page}").content.decode()
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.is_addition()) == (str(source.pk), True)


def test_every_field_of_the_form_is_saved() -> None:
    tenant = make_tenant()
    given = {
        "name": "Shop",
        "tenant": public("tnt", tenant.pk),
        "scheme": "hmac",
        "secret": " with blanks ",
        "options": '{"header": "x-proof"}',
        "timestamp_tolerance_seconds": "60",
        "public_url": "https://shop.example.com/in",
        "verify_token": "word",
        "allowed_origins": "a.example.com\r\n\r\nb.example.com ",
        "message_id_path": "header:X-Id",
        "envelope": "eventbridge",
        "order_key_path": "body:/customer",
        "sequence_path": "body:/version",
        "skip_out_of_order": "on",
        "max_bytes": "1000",
        "rate_per_minute": "60",
        "content_types": "application/json\r\ntext/*",
        "response_status": "200",
        "response_when": "processed",
        "response_timeout_seconds": "3",
        "response_content_type": "text/plain",
        "response_body": "thanks",
        "handlers": '[{"handler": "log", "pattern": {"type": ["a"]}}]',
        "retry_plan": "5, 60",
    }
    shown = add(operator(*SEES_ALL, "add_source"), **given).content.decode()
    source = Source.objects.get()
    known = find_source(source.public_id)
    assert (known.secrets[0].text, known.verify_token) == ("with blanks", "word")
    assert "with blanks" not in shown
    assert (source.tenant_id, source.uid, source.options) == (tenant.pk, None, {"header": "x-proof"})
    assert source.allowed_origins == ["a.example.com", "b.example.com"]
    assert source.content_types == ["application/json", "text/*"]
    assert source.envelope == "eventbridge"
    assert (source.retry_plan, source.skip_out_of_order, source.rate_per_minute) == ([5, 60], True, 60)
    assert source.handlers == [{"handler": "log", "pattern": {"type": ["a"]}}]


def test_source_of_a_known_sender_has_its_preset_where_the_form_was_left_unchanged() -> None:
    client = operator(*SEES_ALL, "add_source")
    shown = client.get(ADD).content.decode()
    assert all(f'value="{name}"' in shown for name in sender_names())
    add(client, sender="xero", secret="the webhook key", name="Books")
    source, preset = Source.objects.get(), find_sender("xero").fields
    assert (source.sender, source.name, source.scheme) == ("xero", "Books", "hmac")
    assert (source.options, source.response_status, source.response_body) == (preset["options"], 200, "")
    assert source.event_type_path == preset["event_type_path"]


def test_field_that_was_changed_in_the_form_is_not_that_of_the_preset() -> None:
    client = operator(*SEES_ALL, "add_source")
    add(client, sender="xero", secret="the webhook key", response_status="204", event_type_path="body:/type")
    source = Source.objects.get()
    assert (source.response_status, source.event_type_path) == (204, "body:/type")


def test_empty_response_and_the_receipt_are_told_apart_in_the_form() -> None:
    client = operator(*SEES_ALL, "add_source", "change_source")
    add(client, scheme="standard")
    source = Source.objects.get()
    assert source.response_body is None
    edit(client, source, response_is_empty="on", responses='{"rejected": {"status": 403}}')
    source.refresh_from_db()
    assert (source.response_body, source.responses) == ("", {"rejected": {"status": 403}})
    edit(client, source, name="Shop")
    source.refresh_from_db()
    assert (source.response_body, source.name) == ("", "Shop")
    values = {name: value for name, value in blank(source).items() if name != "response_is_empty"}
    version = source.updated_at.isoformat()
    client.post(f"/admin/webhooks/source/{source.pk}/edit/", {**values, "version": version})
    source.refresh_from_db()
    assert source.response_body is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scheme": "github"}, "secret"),
        ({"scheme": "other"}, "valid choice"),
        ({"uid": "a b"}, "Must be 1 to 256"),
        ({"uid": "in-use"}, "This uid is already in use"),
        ({"tenant": "acme"}, "tnt_"),
        ({"tenant": "tnt_01m83t2ghzevcannga6my0tf3k"}, "There is no tenant with this ID"),
        ({"options": "{"}, "valid JSON"),
        ({"options": "[1]"}, "Must be an object of strings"),
        ({"options": '{"a": "b"}'}, "has no option a"),
        ({"handlers": '[{"handler": "os.abort"}]'}, "Unknown handler"),
        ({"handlers": '[{"handler": "log", "pattern": {"type": ["\\u0000"]}}]'}, "Must not contain NUL"),
        ({"retry_plan": "soon"}, "whole seconds"),
        ({"retry_plan": "0"}, "Must be an array of at most 20 integers"),
        ({"content_types": "nonsense"}, "media types"),
        ({"allowed_origins": "http://x"}, "must be a DNS name"),
        ({"message_id_path": "there"}, "header:Name"),
        ({"max_bytes": "0"}, "Must be at least 1."),
        ({"max_bytes": ""}, "required"),
        ({"response_status": "600"}, "Must be at most 599."),
        ({"response_body": "no json"}, "Must be JSON"),
        ({"handshake": '[{"method": "PUT"}]'}, "must have the method"),
        ({"responses": '{"other": {}}'}, "'other' is unknown"),
        ({"skip_out_of_order": "on"}, "Requires sequence_path"),
        ({"public_url": "not an address"}, "valid URL"),
        ({"name": "\0"}, "Null characters"),
        ({"secret": "x" * 8193}, "8192"),
    ],
)
def test_invalid_value_is_reported_at_its_field_and_nothing_is_created(given: dict[str, str], message: str) -> None:
    make_source(uid="in-use")
    response = add(operator(*SEES_ALL, "add_source"), **given)
    assert response.status_code == 200
    assert "wp-error" in response.content.decode()
    objections = [error for errors in response.context["form"].errors.values() for error in errors]
    assert any(message in error for error in objections), objections
    assert Source.objects.count() == 1
    assert not LogEntry.objects.exists()


def test_source_beyond_the_limit_of_the_tenants_plan_is_rejected() -> None:
    tenant = make_tenant(plan=make_plan(max_sources=0))
    shown = add(operator(*SEES_ALL, "add_source"), scheme="standard", tenant=tenant.public_id)
    assert "The plan allows 0 sources" in shown.content.decode()
    assert not Source.objects.exists()


def test_invalid_form_shows_the_values_again_except_secrets() -> None:
    sent = {"name": "<b>Shop</b>", "scheme": "github", "secret": SECRET, "verify_token": "a-word", "max_bytes": "0"}
    shown = add(operator(*SEES_ALL, "add_source"), **sent).content.decode()
    assert "&lt;b&gt;Shop&lt;/b&gt;" in shown
    assert SECRET not in shown
    assert "a-word" not in shown


def test_change_saves_changed_fields_and_logs_their_names() -> None:
    source = make_source(uid="shop", name="Old")
    response = edit(operator(*SEES_ALL, "change_source"), source, name="New", rate_per_minute="60")
    assert response.status_code == 302
    source.refresh_from_db()
    assert (source.name, source.rate_per_minute, source.uid) == ("New", 60, "shop")
    assert LogEntry.objects.get().get_change_message() == "changed name, rate_per_minute"
    assert find_source(source.public_id).rate_per_minute == 60


def test_unchanged_form_changes_nothing() -> None:
    source = make_source(content_types=["text/*"], retry_plan=[5], handlers=[{"handler": "log"}], scheme="standard")
    before = source.updated_at
    assert edit(operator(*SEES_ALL, "change_source"), source).status_code == 302
    source.refresh_from_db()
    assert source.updated_at == before
    assert not LogEntry.objects.exists()


def test_change_after_another_users_change_is_rejected() -> None:
    source = make_source(name="Old")
    version = source.updated_at.isoformat()
    Source.objects.get().save()
    response = edit(operator(*SEES_ALL, "change_source"), source, name="New", version=version)
    assert "Changed by another user" in response.content.decode()
    assert Source.objects.get().name == "Old"


def test_scheme_that_cannot_use_the_existing_secrets_is_rejected() -> None:
    source = make_source(scheme="github", secret="not base64!")
    response = edit(operator(*SEES_ALL, "change_source"), source, scheme="standard")
    assert "wp-error" in response.content.decode()
    assert Source.objects.get().scheme == "github"


def test_verify_token_stays_until_replaced_or_cleared() -> None:
    client, source = operator(*SEES_ALL, "change_source"), make_source()

    def token_after(**given: str) -> str:
        assert edit(client, source, **given).status_code == 302
        return find_source(source.public_id).verify_token

    assert token_after(verify_token="first") == "first"
    assert token_after(name="Another") == "first"
    assert token_after(verify_token="second") == "second"
    assert token_after(clear_verify_token="on") == ""


def test_host_names_are_looked_up_outside_any_transaction(dns: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    open_then = []
    resolve = resolver.resolve

    def look(host: str, share: Hashable) -> Future[resolver.Resolution]:
        open_then.append(connection.in_atomic_block)
        return resolve(host, share)

    dns.answers["keys.example.com"] = Answer(("10.0.0.1",))
    monkeypatch.setattr(resolver, "resolve", look)
    options = '{"jwks_url": "https://keys.example.com/jwks", "audience": "us"}'
    response = add(operator(*SEES_ALL, "add_source"), scheme="jwt", options=options)
    assert "wp-error" in response.content.decode()
    assert open_then == [False]
    assert not Source.objects.exists()


def test_too_many_lookups_are_an_error_of_the_form(
    dns: DnsServer, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WAYPOST_LOOKUPS_PER_TENANT = 1
    monkeypatch.setattr(resolver, "QUEUED_PER_PLACE", 0)
    dns.default = Answer(hangs=True)
    resolver.resolve("hangs.example.com", None)
    options = '{"jwks_url": "https://keys.example.com/jwks", "audience": "us"}'
    response = add(operator(*SEES_ALL, "add_source"), scheme="jwt", options=options)
    assert "At most 1 host names" in response.content.decode()
    assert not Source.objects.exists()


def test_pages_without_permission_are_forbidden() -> None:
    source, client = make_source(), operator(*SEES_ALL)
    assert client.get(ADD).status_code == add(client).status_code == 403
    assert edit(client, source, name="New").status_code == 403
    assert add(Client()).status_code == edit(Client(), source).status_code == 302
    assert ADD not in client.get("/admin/webhooks/source/").content.decode()
    assert Source.objects.get().name == ""


def test_permission_to_add_does_not_allow_changes(receiver) -> None:
    source, client = make_source(), operator(*SEES_ALL, "add_source")
    assert edit(client, source, name="New").status_code == 403
    assert ADD in client.get("/admin/webhooks/source/").content.decode()


def test_post_without_csrf_token_is_rejected() -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = operator(*SEES_ALL, "add_source").cookies
    assert add(client).status_code == 403
    assert not Source.objects.exists()


def test_deleted_source_cannot_be_edited() -> None:
    source = make_source(deleted_at=timezone.now())
    assert edit(operator(*SEES_ALL, "change_source"), source).status_code == 404
    assert not Receipt.objects.exists()


def test_plan_without_a_second_attempt_is_edited_as_the_word_never() -> None:
    field = RetryPlanField(required=False)
    assert (field.clean("never"), field.prepare_value([])) == ([], "never")
    assert (field.clean(""), field.prepare_value(None)) == (None, None)
