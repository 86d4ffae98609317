"""Test receiving over HTTP: verify, deduplicate, store, notify, respond."""

import io
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.factories_receiver import (
    SECRET,
    make_source,
    signed,
    signed_by_github,
    signed_by_slack,
)
from tests.key_server import KeyServer
from tests.statements import before_statements
from tests.threads import in_threads
from tests.webhooks.receiving import shells
from webhooks import schemes
from webhooks.kit.bodies import claim_check
from webhooks.models import Receipt, Rejection, Source
from webhooks.processing import notify
from webhooks.processing.handlers import GiveUp, handles
from webhooks.processing.process import process_due
from webhooks.processing.turns.claims import claim_group
from webhooks.schemes.scheme import UnsignedMessage
from webhooks.sources.secret_rotation import add_secret
from webhooks.sources.snapshot import clear_snapshots, find_source
from webhooks.wire.signing.keys import new_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules", "shell")]

BODY = b'{"type":"invoice.paid","data":{"id":7}}'
LOGGED = [{"handler": "log"}]
LARGE = b"x" * (claim_check.INLINE_MAX + 1)


def post(source: Source | str, body: bytes = BODY, headers: dict[str, str] | None = None, **how: Any) -> Any:
    return shells.post(source, body, headers, **how)


def test_signed_message_is_stored_byte_for_byte_and_the_response_names_its_receipt(notifications) -> None:
    response = post(make_source(handlers=LOGGED))
    receipt = Receipt.objects.get()
    assert (response.status_code, response.json()) == (202, {"receipt": receipt.public_id})
    assert receipt.read() == BODY
    assert (receipt.message_id, receipt.event_type, receipt.size) == ("msg_1", "invoice.paid", len(BODY))
    assert receipt.due_at is not None
    assert notifications.calls == 1


def test_message_without_handlers_is_stored_as_processed_and_notifies_no_worker(notifications) -> None:
    post(make_source())
    receipt = Receipt.objects.get()
    assert (receipt.state, receipt.handled_by, receipt.claims, notifications.calls) == ("processed", [], 0, 0)
    assert receipt.processed_at is not None
    assert claim_group(10) == []


def test_handler_that_another_process_just_added_gets_the_next_message() -> None:
    source = make_source()
    post(source)
    Source.objects.update(handlers=LOGGED)  # by another process: this one still has the old snapshot
    post(source, headers=signed(BODY, message_id="msg_2"))
    assert [receipt.state for receipt in Receipt.objects.order_by("id")] == ["processed", "pending"]


@pytest.mark.parametrize(("registered", "state"), [("*", "pending"), ("shop", "pending"), ("other", "processed")])
def test_message_is_pending_if_a_function_is_registered_for_its_source(registered: str, state: str) -> None:
    handles(registered, {"type": ["of.another.kind"]})(lambda receipt: None)
    post(make_source(uid="shop"))
    assert Receipt.objects.get().state == state


def test_message_with_a_sequence_is_pending_even_without_handlers() -> None:
    post(make_source(sequence_path="body:/n"), b'{"n":1}')
    assert Receipt.objects.get().state == "pending"


def test_body_that_is_no_text_is_stored_unchanged() -> None:
    body = bytes(range(256))
    assert post(make_source(scheme="none", secret=None), body, {}).status_code == 202
    assert Receipt.objects.get().read() == body


def test_empty_body_is_stored() -> None:
    assert post(make_source(), b"").status_code == 202
    assert Receipt.objects.get().read() == b""


def test_large_body_is_stored_as_an_object_and_its_row_has_the_key(claims) -> None:
    assert post(make_source(), LARGE).status_code == 202
    receipt = Receipt.objects.get()
    assert receipt.body is None
    assert (claims / receipt.body_key).read_bytes() == LARGE
    assert receipt.read() == LARGE


@pytest.mark.parametrize("slash", ["/", ""])
def test_source_is_found_by_id_with_and_without_a_slash(slash: str) -> None:
    source = make_source(uid="billing.v1-x")
    response = shells.current.post(f"/in/{source.public_id}{slash}", BODY, signed(BODY))
    assert response.status_code == 202


@pytest.mark.parametrize("method", ["get", "post", "options", "put"])
def test_uid_is_no_address(method: str) -> None:
    make_source(uid="billing")
    used, unused = (getattr(Client(), method)(f"/in/{uid}/") for uid in ("billing", "another"))
    assert used.status_code == unused.status_code == (405 if method == "put" else 404)
    assert visible(used) == visible(unused)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_response_status_is_that_of_the_source(status: int) -> None:
    response = post(make_source(response_status=status))
    assert response.status_code == status
    assert bool(response.content) == (status != 204)


def test_duplicate_is_200_and_changes_nothing(notifications) -> None:
    source = make_source(handlers=LOGGED)
    first, second = post(source), post(source)
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert Receipt.objects.count() == 1
    assert notifications.calls == 1


def test_duplicate_of_a_large_message_leaves_no_object(claims) -> None:
    source = make_source()
    post(source, LARGE)
    post(source, LARGE)
    assert [path.name for path in claims.rglob("*") if path.is_file()] == [Receipt.objects.get().id.hex]


def test_same_message_id_at_two_sources_is_stored_twice() -> None:
    post(make_source())
    assert post(make_source()).status_code == 202
    assert Receipt.objects.count() == 2


def test_duplicate_with_other_content_is_recorded_and_the_first_content_stays() -> None:
    source = make_source()
    post(source)
    response = post(source, b'{"type":"other"}')
    assert response.status_code == 200
    assert Receipt.objects.get().read() == BODY
    assert Rejection.objects.get().reason == "other_content"


def test_duplicate_of_a_failed_receipt_leaves_it_pending(settings) -> None:
    settings.WAYPOST_HANDLERS = {"boom": "tests.webhooks.handlers_of_tests.fail"}
    source = make_source(handlers=[{"handler": "boom"}])
    post(source)
    process_due()
    assert post(source).status_code == 200
    receipt = Receipt.objects.get()
    assert (receipt.attempts, receipt.state) == (1, "pending")


def test_bad_signature_is_401_without_details_and_recorded_with_its_reason() -> None:
    response = post(make_source(), headers=signed(b"something else") | {"authorization": "Bearer x", "cookie": "a=b"})
    assert (response.status_code, response.json()["code"]) == (401, "signature_invalid")
    rejection = Rejection.objects.get()
    assert rejection.reason == "no_match"
    assert (rejection.size, len(rejection.sha256)) == (len(BODY), 64)
    assert rejection.headers["authorization"] == rejection.headers["cookie"] == "[removed]"
    assert not Receipt.objects.exists()


def test_large_body_with_a_bad_signature_leaves_no_object(claims) -> None:
    assert post(make_source(), LARGE, signed(b"other")).status_code == 401
    assert not [path for path in claims.rglob("*") if path.is_file()]


def test_header_with_the_secret_is_redacted_in_receipts_and_rejections() -> None:
    source = make_source(scheme="token", secret="open sesame", options={"header": "X-Magic"})
    assert post(source, headers={"x-magic": "open sesame"}).status_code == 202
    assert post(source, headers={"x-magic": "nearly"}).status_code == 401
    assert Receipt.objects.get().headers["x-magic"] == "[removed]"
    assert Rejection.objects.get().headers["x-magic"] == "[removed]"


@pytest.mark.parametrize("scheme", ["standard", "github", "stripe", "hmac", "bearer", "basic", "nonsense"])
def test_message_at_a_source_without_secret_is_401(scheme: str) -> None:
    assert post(make_source(scheme=scheme, secret=None)).status_code == 401
    assert not Receipt.objects.exists()


def test_rotated_secret_is_accepted_until_its_overlap_ends() -> None:
    source = make_source()
    fresh = new_secret()
    add_secret(source, fresh, overlap=3600)
    assert post(source, headers=signed(BODY, message_id="old")).status_code == 202
    assert post(source, headers=signed(BODY, secret=fresh, message_id="new")).status_code == 202
    source.secrets.filter(expires_at__isnull=False).update(expires_at=timezone.now() - timedelta(seconds=1))
    clear_snapshots()
    assert post(source, headers=signed(BODY, message_id="late")).status_code == 401


@pytest.mark.parametrize(
    "name", ["unknown", "src_01m83t2ghzevcannga6my0tf3k", "src_x", "evt_01m83t2ghzevcannga6my0tf3k"]
)
def test_unknown_source_is_404(name: str) -> None:
    assert post(name).status_code == 404


def test_signed_message_is_410_at_a_deleted_source_and_503_at_a_paused_one() -> None:
    gone = post(make_source(deleted_at=timezone.now()))
    paused = post(make_source(paused_at=timezone.now()))
    assert gone.status_code == 410
    assert (paused.status_code, paused["Retry-After"]) == (503, "300")
    assert not Receipt.objects.exists()


UNSIGNED: list[dict[str, str]] = [
    {},
    {**signed(BODY), "webhook-signature": "v1,AAAA"},
    signed(BODY, secret=new_secret()),
]


@pytest.mark.parametrize("headers", UNSIGNED, ids=["unsigned", "no signature", "another's"])
@pytest.mark.parametrize("body", [BODY, LARGE], ids=["small", "large"])
def test_unsigned_message_cannot_tell_paused_from_active_nor_deleted_from_unknown(
    headers: dict[str, str], body: bytes, claims
) -> None:
    others = {"open": make_source(), "paused": make_source(paused_at=timezone.now())}
    others["deleted"] = make_source(deleted_at=timezone.now())
    seen = {how: post(source, body, headers) for how, source in others.items()}
    unknown = post("unknown", body, headers)
    assert visible(seen["paused"]) == visible(seen["open"])
    assert visible(seen["deleted"]) == visible(unknown)
    assert (seen["open"].status_code, unknown.status_code) == (401, 404)
    assert not Rejection.objects.filter(source=others["deleted"]).exists()
    assert not [path for path in claims.rglob("*") if path.is_file()]


def visible(response: Any) -> tuple[int, bytes, dict[str, str]]:
    """Return what a sender sees of a response, but the id of its request, which every response has."""
    headers = {name: value for name, value in dict(response.headers).items() if name.lower() != "waypost-request-id"}
    return response.status_code, response.content, headers


def test_large_message_at_a_closed_source_stores_nothing(claims) -> None:
    paused = post(make_source(paused_at=timezone.now()), LARGE)
    gone = post(make_source(deleted_at=timezone.now()), LARGE)
    assert (paused.status_code, paused["Retry-After"], gone.status_code) == (503, "300", 410)
    assert not Receipt.objects.exists()
    assert not [path for path in claims.rglob("*") if path.is_file()]


def test_deleted_source_is_a_410_even_if_another_has_its_uid() -> None:
    deleted = make_source(uid="shop", deleted_at=timezone.now())
    make_source(uid="shop")
    assert post(deleted).status_code == 410
    assert not Receipt.objects.exists()


def test_message_over_the_rate_is_429_with_retry_after() -> None:
    source = make_source(rate_per_minute=10)
    responses = [post(source, headers=signed(BODY, message_id=str(number))) for number in range(2)]
    assert [response.status_code for response in responses] == [202, 429]
    assert int(responses[1]["Retry-After"]) >= 1


class Unreadable(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        raise AssertionError("this body must not be read")


def test_announced_length_over_max_bytes_is_413_before_reading() -> None:
    source = make_source(max_bytes=10)
    response = post(source, headers={}, length=11, stream=Unreadable())
    assert response.status_code == 413
    assert Rejection.objects.get().reason == "too_large"


def chunked(source: Source, body: bytes, headers: dict[str, str]) -> Any:
    return post(source, body, headers, length=None)


def test_chunked_body_is_accepted_if_the_signature_covers_it() -> None:
    assert chunked(make_source(), LARGE, signed(LARGE)).status_code == 202
    assert Receipt.objects.get().read() == LARGE


def test_chunked_body_over_max_bytes_is_413_and_leaves_no_object(claims) -> None:
    assert chunked(make_source(max_bytes=100_000), b"x" * 200_000, signed(b"")).status_code == 413
    assert not [path for path in claims.rglob("*") if path.is_file()]


@pytest.mark.parametrize("scheme", ["none", "bearer"])
def test_chunked_body_that_no_signature_covers_is_411_where_a_server_may_cut_it_short(shell, scheme: str) -> None:
    secret = None if scheme == "none" else "word"
    response = chunked(make_source(scheme=scheme, secret=secret), BODY, {"authorization": "Bearer word"})
    assert response.status_code == (202 if shell.is_native else 411)


def test_body_shorter_than_its_length_is_400_and_not_stored() -> None:
    source = make_source(scheme="none", secret=None)
    response = post(source, headers={}, length=100)
    assert response.status_code == 400
    assert not Receipt.objects.exists()


def test_body_cut_by_a_broken_connection_is_400_and_not_stored() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError

    response = post(make_source(), length=100, stream=Broken())
    assert response.status_code == 400
    assert not Receipt.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head"])
def test_other_methods_are_405(method: str) -> None:
    response = getattr(Client(), method)(f"/in/{make_source().public_id}/")
    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")


def test_handshake_at_a_source_for_any_origin_allows_the_origin_and_its_rate() -> None:
    source = make_source(rate_per_minute=120)
    response = Client().options(
        f"/in/{source.public_id}/", headers={"webhook-request-origin": "eventemitter.example.com"}
    )
    assert response["WebHook-Allowed-Origin"] == "eventemitter.example.com"
    assert response["WebHook-Allowed-Rate"] == "120"


def test_slack_challenge_gets_its_response_only_if_signed_and_creates_no_receipt() -> None:
    source = make_source(scheme="slack", secret="shh")
    body = b'{"type":"url_verification","challenge":"abc"}'
    assert post(source, body, signed_by_slack(body, "shh")).json() == {"challenge": "abc"}
    assert post(source, body, signed_by_slack(body, "other")).status_code == 401
    assert not Receipt.objects.exists()


def test_json_web_token_is_verified_with_the_published_keys(settings) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    key = RSAKey.generate_key(2048, {"kid": "k1"})
    claims = {"aud": "us", "iat": int(time.time())}
    token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)
    with KeyServer(dict(key.as_dict(private=False))) as server:
        options = {"jwks_url": server.url, "audience": "us"}
        source = make_source(scheme="jwt", secret=None, options=options)
        assert post(source, headers={"Authorization": f"Bearer {token}"}).status_code == 202
        assert post(source, headers={"Authorization": f"Bearer {token}x"}).status_code == 401
        assert post(source, headers={}).status_code == 401
    assert Receipt.objects.get().secret_id is None


def test_deleted_source_fetches_no_keys(settings) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    key = RSAKey.generate_key(2048, {"kid": "k1"})
    token = jwt.encode({"alg": "RS256", "kid": "k1"}, {"aud": "us", "iat": int(time.time())}, key)
    with KeyServer(dict(key.as_dict(private=False))) as server:
        options = {"jwks_url": server.url, "audience": "us"}
        source = make_source(scheme="jwt", secret=None, options=options, deleted_at=timezone.now())
        assert post(source, headers={"Authorization": f"Bearer {token}"}).status_code == 404
        assert server.requests == []


def test_unavailable_keys_are_503_with_retry_after() -> None:
    options = {"jwks_url": "https://127.0.0.1:1/", "audience": "us"}
    token = jwt.encode({"alg": "HS256"}, {"aud": "us"}, OctKey.import_key("x" * 32))
    response = post(
        make_source(scheme="jwt", secret=None, options=options), headers={"Authorization": f"Bearer {token}"}
    )
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert Rejection.objects.get().reason == "keys_unavailable"


def test_receipt_names_its_secret_and_rejection_the_last_valid_one() -> None:
    source = make_source()
    old = source.secrets.get()
    post(source, BODY + b" ", signed(BODY))
    assert Rejection.objects.get().last_valid_secret_id is None
    post(source)
    assert Receipt.objects.get().secret_id == old.id
    add_secret(source, new_secret())
    clear_snapshots()
    post(source, BODY + b"  ", signed(BODY))
    rejection = Rejection.objects.latest("id")
    assert (rejection.reason, rejection.last_valid_secret_id) == ("no_match", old.id)
    assert rejection.last_valid_at == Receipt.objects.get().received_at


@pytest.mark.parametrize(
    ("scheme", "body", "message_id"),
    [("slack", b'{"event_id":"Ev1"}', "Ev1"), ("square", b'{"event_id":"e-1"}', "e-1")],
)
def test_message_id_is_read_where_the_provider_puts_it(scheme: str, body: bytes, message_id: str) -> None:
    source = make_source(scheme=scheme, secret="shh")
    draft = UnsignedMessage(body, f"http://testserver/in/{source.public_id}/", int(time.time()), "unused")
    post(source, body, schemes.get(scheme).sign("shh", draft).headers)
    assert Receipt.objects.get().message_id == message_id


def test_proof_from_the_future_is_a_401_with_its_reason() -> None:
    source = make_source(scheme="stripe", secret="shh")
    draft = UnsignedMessage(BODY, "http://testserver/", int(time.time()) + 3600, "evt_1")
    assert post(source, BODY, schemes.get("stripe").sign("shh", draft).headers).status_code == 401
    assert Rejection.objects.get().reason == "stale_timestamp"


def test_github_message_id_and_event_type_are_read_from_headers() -> None:
    source = make_source(scheme="github", secret="shh")
    assert post(source, BODY, signed_by_github(BODY, "shh", "d-9", "push")).status_code == 202
    receipt = Receipt.objects.get()
    assert (receipt.message_id, receipt.event_type) == ("d-9", "push")


class Outage:
    """Fail every statement that contains these words, as a lost connection does."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __call__(self, execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if self.words in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *args)


def test_database_outage_while_finding_the_source_is_503_with_retry_after() -> None:
    source = make_source()
    with connection.execute_wrapper(Outage("webhooks_source")):
        response = post(source)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert post(source).status_code == 202


def test_database_outage_while_inserting_is_503_and_notifies_no_worker(
    monkeypatch: pytest.MonkeyPatch, notifications
) -> None:
    def lost(_statement: Any) -> None:
        raise psycopg.OperationalError("the connection is lost")

    source = make_source()
    with monkeypatch.context() as outage:
        find_source(source.public_id)
        before_statements(outage, lost)
        response = post(source)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert notifications.calls == 0
    assert post(source).status_code == 202


def test_full_storage_is_503_and_stores_nothing(claims, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    source = make_source()
    monkeypatch.setattr(claim_check.os, "fsync", full)
    assert post(source, LARGE).status_code == 503
    assert not Receipt.objects.exists()
    assert not [path for path in claims.rglob("*") if path.is_file()]


def test_rejection_that_cannot_be_stored_does_not_change_the_response() -> None:
    source = make_source()
    with connection.execute_wrapper(Outage("INSERT INTO")):
        assert post(source, headers=signed(b"other")).status_code == 401


def test_secret_encrypted_with_a_lost_key_is_503(settings) -> None:
    source = make_source()
    settings.WAYPOST_ENCRYPTION_KEYS = ["c2l4dGVlbi1ieXRlcy1rZXktc2l4dGVlbi1ieXRlczE="]
    assert post(source).status_code == 503


def test_small_message_costs_one_statement_and_one_more_without_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    statements: list[Any] = []
    before_statements(monkeypatch, statements.append)
    source = make_source()
    statements.clear()
    post(source)
    assert len(statements) == 2
    post(source, headers=signed(BODY, message_id="msg_2"))
    assert len(statements) == 3


@pytest.mark.django_db(transaction=True)
def test_concurrent_duplicates_store_one_receipt_and_all_get_2xx() -> None:
    source = make_source()
    responses = shells.current.post_at_once(8, lambda: post(source))
    assert sorted(response.status_code for response in responses) == [200] * 7 + [202]
    assert Receipt.objects.count() == 1


HOSTILE_HEADERS = [
    {},
    {"webhook-id": "", "webhook-timestamp": "", "webhook-signature": ""},
    {"webhook-id": "a", "webhook-timestamp": "9" * 5000, "webhook-signature": "v1,"},
    {"webhook-id": "a", "webhook-timestamp": "-1", "webhook-signature": "v1"},
    {"webhook-id": "\xff\xfe", "webhook-timestamp": "1", "webhook-signature": "v1,\xff"},
    {"webhook-id": "a" * 100_000, "webhook-timestamp": "nan", "webhook-signature": "v1, v1, v1a,====="},
    {"webhook-id": "a.b", "webhook-timestamp": "٣", "webhook-signature": "," * 10_000},
    {f"x-{number}": "y" * 1000 for number in range(500)},
    {"ce-specversion": "1.0", "ce-id": "%C0%A0", "ce-source": "%", "ce-type": "\xe9"},
]


@pytest.mark.parametrize("headers", HOSTILE_HEADERS, ids=range(len(HOSTILE_HEADERS)))
def test_hostile_headers_are_a_client_error(headers: dict[str, str]) -> None:
    assert post(make_source(), headers=headers).status_code == 401
    assert post(make_source(scheme="none", secret=None), headers=headers).status_code == 202


HOSTILE_BODIES = [
    b"",
    b"\0",
    b"\xff\xfe{",
    b"[" * 50_000,
    b'{"a":' * 10_000,
    b'{"type":"\\u0000","id":"\\u0000"}',
    b'{"type":"\\ud800","id":"\\ud800"}',
    b'{"type":"' + b"t" * 60_000 + b'"}',
    b'{"type":{"a":[1]},"id":[]}',
    b'{"type":1e999,"id":1e400}',
    b'{"type":"a\\nb","id":"x\\ty"}',
    b'{"type":true,"id":null}',
    b'{"type":"a","type":"b"}',
    b"NaN",
]


@pytest.mark.parametrize("body", HOSTILE_BODIES, ids=range(len(HOSTILE_BODIES)))
@pytest.mark.parametrize("content_type", ["application/json", "application/cloudevents+json", "a/b; charset=\xff", ""])
def test_hostile_bodies_are_stored_unchanged_and_never_our_error(body: bytes, content_type: str) -> None:
    source = make_source(
        scheme="none",
        secret=None,
        message_id_path="body:/id",
        event_type_path="body:/type",
        order_key_path="body:/type",
        handlers=[{"handler": "log", "pattern": {"data": {"x": [1]}}}],
    )
    response = post(source, body, {}, content_type=content_type)
    assert response.status_code == 202
    assert Receipt.objects.get().read() == body
    process_due()
    assert Receipt.objects.get().state == "processed"


@pytest.mark.parametrize("path", ["/in/", "/in//", "/in/a b/", "/in/%00/", "/in/\xff/", "/in/" + "a" * 300, "/in/../x"])
def test_paths_that_name_no_source_are_404(path: str) -> None:
    assert shells.current.post(path, BODY, {}).status_code == 404


def test_message_id_too_long_for_an_index_still_identifies_duplicates() -> None:
    source = make_source(scheme="none", secret=None, message_id_path="header:x-id")
    first, other = {"x-id": "a" * 5000}, {"x-id": "a" * 4999 + "b"}
    assert [post(source, headers=found).status_code for found in (first, first, other)] == [202, 200, 202]


def test_message_for_an_unknown_source_records_no_rejection() -> None:
    post(str(uuid.uuid4()))
    assert not Rejection.objects.exists()
    assert SECRET.startswith("whsec_")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 202),
        ("Application/JSON; charset=utf-8", 202),
        ("text/csv", 202),
        ("application/xml", 415),
        ("application", 415),
        ("text", 415),
        ("", 415),
    ],
)
def test_media_type_that_the_source_does_not_list_is_415_and_recorded(content_type: str, status: int) -> None:
    source = make_source(scheme="none", secret=None, content_types=["application/json", "text/*"])
    response = post(source, headers={}, content_type=content_type)
    assert (response.status_code, Receipt.objects.count()) == (status, int(status == 202))
    assert [rejection.reason for rejection in Rejection.objects.all()] == ["content_type"] * (status == 415)
    assert status == 202 or response.json()["code"] == "unsupported_media_type"


def test_response_body_is_sent_to_first_and_duplicate_and_runs_in_no_browser() -> None:
    source = make_source(response_status=200, response_body="<Response/>", response_content_type="text/xml")
    for response in (post(source), post(source)):
        assert (response.status_code, response.content, response["Content-Type"]) == (200, b"<Response/>", "text/xml")
        assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert response["X-Content-Type-Options"] == "nosniff"


def test_bad_signature_does_not_get_the_response_body() -> None:
    response = post(make_source(response_body="welcome", response_content_type="text/plain"), headers={})
    assert (response.status_code, response.json()["code"]) == (401, "signature_invalid")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("outcome", "status", "state"),
    [("succeeds", 200, "processed"), ("fails", 202, "pending"), ("gives up", 202, "dead")],
)
def test_response_when_processed_has_the_result_of_the_handlers(monkeypatch, outcome, status, state) -> None:
    @handles()
    def works(receipt: Receipt) -> None:
        if outcome == "fails":
            raise RuntimeError
        if outcome == "gives up":
            raise GiveUp

    monkeypatch.setattr(notify.receipt_workers, "notify", lambda: in_threads(process_due))
    response = post(make_source(response_when="processed", response_status=200, response_timeout_seconds=25))
    receipt = Receipt.objects.get()
    assert (response.status_code, response.json()) == (status, {"receipt": receipt.public_id, "state": state})
    assert receipt.state == state


@pytest.mark.django_db(transaction=True)
def test_response_when_processed_after_the_timeout_is_202_pending() -> None:
    changes = {
        "response_when": "processed",
        "response_status": 200,
        "response_timeout_seconds": 0,
        "response_body": '"done"',
    }
    response = post(make_source(handlers=LOGGED, **changes))
    assert (response.status_code, response.json()["state"]) == (202, "pending")
    assert post(Source.objects.get()).json() == "done"


@pytest.mark.django_db(transaction=True)
def test_response_when_processed_of_a_receipt_its_handler_deleted_is_processed(monkeypatch) -> None:
    @handles()
    def removes(receipt: Receipt) -> None:
        receipt.delete()

    monkeypatch.setattr(notify.receipt_workers, "notify", lambda: in_threads(process_due))
    response = post(make_source(response_when="processed", response_timeout_seconds=25))
    assert (response.status_code, response.json()["state"]) == (202, "processed")
