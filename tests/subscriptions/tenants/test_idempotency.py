"""Over REST: a POST with an Idempotency-Key takes place once, whichever it is."""

import json
import threading
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection
from django.utils import timezone

from delivery.models import Event
from delivery.transports.outcome import Outcome
from subscriptions.errors import Invalid
from subscriptions.models import ApiKey, Endpoint, Scope, StoredResponse, Tenant
from subscriptions.tenants import idempotency, keys
from tests.factories import URL, client_with, make_client, make_endpoint, make_key, make_tenant
from tests.threads import in_threads
from webhooks.models import Source
from webhooks.outgoing import guarded_call

pytestmark = pytest.mark.django_db

API = "/api/v1/"


def post(client, path, body, key='"k-1"', **headers):
    return client.post(f"{API}{path}", body, headers={"Idempotency-Key": key, **headers})


def is_replay(answer):
    return answer.get("Idempotency-Replayed") == "true"


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("endpoints/", {"url": URL}, Endpoint),
        ("endpoints/{endpoint}/secrets/", {}, None),
        ("subscriptions/", {"endpoint": "{endpoint}"}, None),
        ("keys/", {"scopes": ["read"]}, None),
        ("events/", {"type": "a", "data": 1}, Event),
        ("sources/", {"name": "GitHub", "scheme": "github", "secret": "s" * 32}, Source),
        ("replays/preview/", {"filter": {}}, None),
    ],
)
def test_whatever_is_posted_twice_under_one_key_takes_place_once(path, body, model):
    tenant = make_tenant()
    endpoint = make_endpoint(tenant).public_id
    body = {name: value.format(endpoint=endpoint) if isinstance(value, str) else value for name, value in body.items()}
    client, path = make_client(tenant), path.format(endpoint=endpoint)
    first = post(client, path, body)
    assert first.status_code < 300, first.content
    count = model and model.objects.count()
    again = post(client, path, body)
    assert (again.status_code, again.content, again["Content-Type"]) == (
        first.status_code,
        first.content,
        first["Content-Type"],
    )
    assert (is_replay(first), is_replay(again)) == (False, True)
    assert count == (model and model.objects.count())
    assert not is_replay(post(client, path, body, "k-2"))


def test_a_key_in_quotes_and_the_same_without_are_one():
    client = make_client(make_tenant())
    assert post(client, "keys/", {"scopes": ["read"]}, '"k-1"').content == (
        post(client, "keys/", {"scopes": ["read"]}, "k-1").content
    )


def test_what_is_shown_once_is_shown_again_and_is_stored_encrypted():
    client = make_client(make_tenant())
    first = post(client, "endpoints/", {"url": URL})
    again = post(client, "endpoints/", {"url": URL})
    assert first.json()["secret"] == again.json()["secret"]
    assert again["Cache-Control"] == "no-store"
    assert again["ETag"] == first["ETag"]
    assert first.json()["secret"].encode() not in bytes(StoredResponse.objects.get().ciphertext)


@pytest.mark.parametrize(
    ("body", "headers", "query"),
    [
        ({"type": "a", "data": 2}, {}, ""),
        ({"type": "a", "data": 1}, {"ce-id": "7", "ce-source": "/s", "ce-type": "b", "ce-specversion": "1.0"}, ""),
        ({"type": "a", "data": 1}, {}, "?a=b"),
    ],
)
def test_another_request_under_a_known_key_is_a_422(body, headers, query):
    client = make_client(make_tenant())
    assert post(client, "events/", {"type": "a", "data": 1}).status_code == 202
    answer = post(client, f"events/{query}", body, **headers)
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:waypost:problem:idempotency_key_reused"
    assert Event.objects.count() == 1


def test_after_a_refusal_the_key_is_as_good_as_new():
    client = make_client(make_tenant())
    assert post(client, "endpoints/", {"url": "nonsense"}).status_code == 400
    assert not StoredResponse.objects.exists()
    assert post(client, "endpoints/", {"url": URL}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_under_way_the_second_is_told_so(monkeypatch):
    client, asked, go_on = make_client(make_tenant()), threading.Event(), threading.Event()

    def look_up(host, **options):
        asked.set()
        go_on.wait()
        return ["93.184.215.14"]

    monkeypatch.setattr(guarded_call, "resolve_within", look_up)

    def second():
        asked.wait()
        try:
            return post(client, "endpoints/", {"url": URL})
        finally:
            go_on.set()

    first, refused = in_threads(lambda: post(client, "endpoints/", {"url": URL}), second)
    assert (first.status_code, refused.status_code) == (201, 409)
    assert refused["Retry-After"] == "1"
    assert is_replay(post(client, "endpoints/", {"url": URL}))
    assert Endpoint.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_takes_place():
    client = make_client(make_tenant())
    answers = in_threads(*[lambda: post(client, "events/", {"type": "a", "data": 1})] * 6)
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body"),
    [("test/", {}), ("verification/", {"by": "event"}), ("verification/", {"by": "handshake"})],
)
def test_an_endpoint_is_called_once_and_in_no_transaction(path, body, monkeypatch, settings):
    settings.PUBLIC_URL = "https://hooks.waypost.example"
    within = []

    def note(*_args, **_options):
        within.append(connection.in_atomic_block)

    monkeypatch.setattr("delivery.testing.test_delivery.send_request", lambda *_: note() or Outcome(0.0, 5, status=200))
    monkeypatch.setattr(
        guarded_call, "call", lambda *args, **options: note() or guarded_call.CallResponse(200, {}, b"", False)
    )
    endpoint = make_endpoint()
    client, path = make_client(endpoint.tenant), f"endpoints/{endpoint.public_id}/{path}"
    first, again = post(client, path, body), post(client, path, body)
    assert (first.status_code, first.content) == (200, again.content), first.content
    assert (is_replay(first), is_replay(again), within) == (False, True, [False])


@pytest.mark.django_db(transaction=True)
def test_while_an_endpoint_is_called_the_second_is_told_so(monkeypatch):
    asked, go_on = threading.Event(), threading.Event()

    def send(*_):
        asked.set()
        go_on.wait()
        return Outcome(0.0, 5, status=200)

    monkeypatch.setattr("delivery.testing.test_delivery.send_request", send)
    endpoint = make_endpoint()
    client, path = make_client(endpoint.tenant), f"endpoints/{endpoint.public_id}/test/"

    def second():
        asked.wait()
        try:
            return post(client, path, {})
        finally:
            go_on.set()

    first, refused = in_threads(lambda: post(client, path, {}), second)
    assert (first.status_code, refused.status_code) == (200, 409)
    assert is_replay(post(client, path, {}))


# --- whose it is


def test_the_answer_goes_to_nobody_who_could_not_have_caused_it():
    tenant = make_tenant()
    post(make_client(tenant, "manage", "read"), "keys/", {"scopes": ["read"]})
    assert post(make_client(tenant, "read"), "keys/", {"scopes": ["read"]}).status_code == 403
    assert post(client_with("wp_" + "A" * 43), "keys/", {"scopes": ["read"]}).status_code == 401
    other = post(make_client(make_tenant(), "manage", "read"), "keys/", {"scopes": ["read"]})
    assert (other.status_code, is_replay(other)) == (201, False)


def test_a_rotated_key_gets_the_answer_of_the_one_before():
    key, text = make_key(make_tenant())
    first = post(client_with(text), "endpoints/", {"url": URL})
    _, fresh = keys.rotate_key(key)
    assert post(client_with(fresh), "endpoints/", {"url": URL}).content == first.content


def test_an_operator_uses_one_key_for_each_tenant():
    operator, one, other = make_client(), make_tenant(), make_tenant()
    for tenant in (one, other):
        answer = post(operator, "endpoints/", {"url": URL}, **{"Waypost-Tenant": tenant.public_id})
        assert (answer.status_code, is_replay(answer)) == (201, False)
    assert not is_replay(post(operator, "tenants/", {"name": "Acme"}))
    assert is_replay(post(operator, "tenants/", {"name": "Acme"}))
    assert Tenant.objects.filter(name="Acme").count() == 1


# --- how long


def test_after_a_day_a_key_is_forgotten():
    client = make_client(make_tenant())
    post(client, "endpoints/", {"url": URL})
    almost = timezone.now() - idempotency.KEPT_FOR + timedelta(minutes=1)
    StoredResponse.objects.update(created_at=almost)
    assert idempotency.delete_expired() == 0
    assert is_replay(post(client, "endpoints/", {"url": URL}))
    StoredResponse.objects.update(created_at=almost - timedelta(minutes=1))
    assert not is_replay(post(client, "endpoints/", {"url": URL}))
    StoredResponse.objects.update(created_at=almost - timedelta(minutes=1))
    assert idempotency.delete_expired() == 1
    assert not StoredResponse.objects.exists()


# --- the header


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("8e03978e-40d5", "8e03978e-40d5"),
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', r"a\"b\c".replace("\\", "", 1)),
        ('"' + "x" * 255 + '"', "x" * 255),
    ],
)
def test_a_key_is_a_string_or_bare(header, key):
    assert idempotency.read_key(header) == key


@pytest.mark.parametrize("header", ["", '""', '"', '"a', 'a"', "a b", '"a"b', r'"\x"', "é", '"é"', "x" * 256, "a\tb"])
def test_anything_else_is_no_key(header):
    with pytest.raises(Invalid):
        idempotency.read_key(header)


def test_what_is_no_key_is_a_problem_that_names_the_header():
    answer = post(make_client(make_tenant()), "keys/", {"scopes": ["read"]}, "a b")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["Idempotency-Key"]
    assert ApiKey.objects.count() == 1


def test_a_body_of_unannounced_length_is_part_of_the_request():
    client = make_client(make_tenant(), Scope.PUBLISH)
    whole = json.dumps({"type": "a", "data": 1}).encode()

    def send(body):
        environ = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        return client.generic(
            "POST", f"{API}events/", b"", "application/json", HTTP_IDEMPOTENCY_KEY="k", **environ, CONTENT_LENGTH=""
        )

    assert send(whole).status_code == 202
    assert is_replay(send(whole))
    assert send(whole.replace(b"1", b"2")).status_code == 422
