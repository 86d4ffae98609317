"""POST with an Idempotency-Key takes effect once; a repetition gets the stored response."""

import json
import threading
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection
from django.utils import timezone

from delivery.models import Event
from subscriptions.errors import Invalid
from subscriptions.models import ApiKey, Endpoint, Scope, StoredResponse, Tenant
from subscriptions.tenants import idempotency, keys
from tests.factories import URL, client_with, make_client, make_endpoint, make_key, make_tenant
from tests.receiver import Receiver, status
from tests.suspension import run_suspended
from tests.threads import in_threads
from webhooks.models import Source

pytestmark = pytest.mark.django_db

API = "/api/v1/"


def post(client, path, body, key='"k-1"', **headers):
    return client.post(f"{API}{path}", body, headers={"Idempotency-Key": key, **headers})


def is_replay(response):
    return response.get("Idempotency-Replayed") == "true"


@pytest.fixture
def receiver(names, settings):
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with Receiver() as it:
        yield it


def transactions():
    """Count the transactions of others that are open in the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("path", "body", "model"),
    [
        ("endpoints/", {"url": URL}, Endpoint),
        ("endpoints/{endpoint}/secrets/", {}, None),
        ("subscriptions/", {"endpoint": "{endpoint}", "event_types": ["*"]}, None),
        ("keys/", {"scopes": ["read"]}, None),
        ("events/", {"type": "a", "data": 1}, Event),
        ("sources/", {"name": "GitHub", "scheme": "github", "secret": "s" * 32}, Source),
        ("replays/preview/", {"all": True}, None),
    ],
)
def test_repeated_post_returns_the_stored_response(path, body, model):
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


def test_key_with_and_without_quotes_is_the_same():
    client = make_client(make_tenant())
    assert post(client, "keys/", {"scopes": ["read"]}, '"k-1"').content == (
        post(client, "keys/", {"scopes": ["read"]}, "k-1").content
    )


def test_stored_response_with_a_secret_is_encrypted_and_returned_again():
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
def test_key_of_another_request_is_a_422(body, headers, query):
    client = make_client(make_tenant())
    assert post(client, "events/", {"type": "a", "data": 1}).status_code == 202
    response = post(client, f"events/{query}", body, **headers)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "idempotency_key_reused"
    assert Event.objects.count() == 1


def test_key_of_a_rejected_request_can_be_used_again():
    client = make_client(make_tenant())
    assert post(client, "endpoints/", {"url": "nonsense"}).status_code == 400
    assert not StoredResponse.objects.exists()
    assert post(client, "endpoints/", {"url": URL}).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_second_request_during_the_first_is_a_409(dns):
    client, started, finish = make_client(make_tenant()), threading.Event(), threading.Event()

    def wait(_name):
        started.set()
        finish.wait()

    dns.on_query = wait

    def second():
        started.wait()
        try:
            return post(client, "endpoints/", {"url": URL})
        finally:
            finish.set()

    first, error = in_threads(lambda: post(client, "endpoints/", {"url": URL}), second)
    assert (first.status_code, error.status_code) == (201, 409)
    assert error["Retry-After"] == "1"
    assert is_replay(post(client, "endpoints/", {"url": URL}))
    assert Endpoint.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_take_effect_once():
    client = make_client(make_tenant())
    responses = in_threads(*[lambda: post(client, "events/", {"type": "a", "data": 1})] * 6)
    assert {response.status_code for response in responses} <= {202, 409}
    assert Event.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body"),
    [("test/", {}), ("verification/", {"by": "event"}), ("verification/", {"by": "handshake"})],
)
def test_call_of_an_endpoint_is_made_once_and_outside_a_transaction(path, body, receiver, settings):
    settings.PUBLIC_URL = "https://hooks.waypost.example"
    in_transaction = []

    def record(exchange):
        in_transaction.extend(in_threads(transactions))
        status(200)(exchange)

    endpoint = make_endpoint(url=receiver.script("/in", record))
    client, path = make_client(endpoint.tenant), f"endpoints/{endpoint.public_id}/{path}"
    first, again = post(client, path, body), post(client, path, body)
    assert (first.status_code, first.content) == (200, again.content), first.content
    assert (is_replay(first), is_replay(again), in_transaction) == (False, True, [0])


@pytest.mark.django_db(transaction=True)
def test_second_request_during_a_call_of_an_endpoint_is_a_409(receiver):
    started, finish = threading.Event(), threading.Event()

    def respond(exchange):
        started.set()
        finish.wait()
        status(200)(exchange)

    endpoint = make_endpoint(url=receiver.script("/in", respond))
    client, path = make_client(endpoint.tenant), f"endpoints/{endpoint.public_id}/test/"

    def second():
        started.wait()
        try:
            return post(client, path, {})
        finally:
            finish.set()

    first, error = in_threads(lambda: post(client, path, {}), second)
    assert (first.status_code, error.status_code) == (200, 409)
    assert is_replay(post(client, path, {}))


# --- callers


def test_stored_response_is_not_returned_to_other_scopes_keys_or_tenants():
    tenant = make_tenant()
    post(make_client(tenant, "manage", "read"), "keys/", {"scopes": ["read"]})
    assert post(make_client(tenant, "read"), "keys/", {"scopes": ["read"]}).status_code == 403
    assert post(client_with("wp_" + "A" * 43), "keys/", {"scopes": ["read"]}).status_code == 401
    other = post(make_client(make_tenant(), "manage", "read"), "keys/", {"scopes": ["read"]})
    assert (other.status_code, is_replay(other)) == (201, False)


def test_stored_response_is_returned_to_the_rotated_key():
    key, text = make_key(make_tenant())
    first = post(client_with(text), "endpoints/", {"url": URL})
    _, fresh = keys.rotate_key(key)
    assert post(client_with(fresh), "endpoints/", {"url": URL}).content == first.content


def test_key_of_an_operator_counts_per_tenant():
    operator, one, other = make_client(), make_tenant(), make_tenant()
    for tenant in (one, other):
        response = post(operator, "endpoints/", {"url": URL}, **{"Waypost-Tenant": tenant.public_id})
        assert (response.status_code, is_replay(response)) == (201, False)
    assert not is_replay(post(operator, "tenants/", {"name": "Acme"}))
    assert is_replay(post(operator, "tenants/", {"name": "Acme"}))
    assert Tenant.objects.filter(name="Acme").count() == 1


# --- expiry


def test_key_expires_after_a_day():
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
def test_read_key_accepts_strings_and_bare_keys(header, key):
    assert idempotency.read_key(header) == key


@pytest.mark.parametrize("header", ["", '""', '"', '"a', 'a"', "a b", '"a"b', r'"\x"', "é", '"é"', "x" * 256, "a\tb"])
def test_read_key_rejects_other_headers(header):
    with pytest.raises(Invalid):
        idempotency.read_key(header)


def test_invalid_key_is_a_400_that_names_the_header():
    response = post(make_client(make_tenant()), "keys/", {"scopes": ["read"]}, "a b")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["Idempotency-Key"]
    assert ApiKey.objects.count() == 1


def test_chunked_body_is_part_of_the_request():
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


@pytest.mark.django_db(transaction=True)
def test_suspended_creation_takes_effect_once_and_is_stored():
    client = make_client(make_tenant())
    first, suspensions = run_suspended(lambda: post(client, "endpoints/", {"url": URL}))
    assert (first.status_code, is_replay(first), suspensions) == (201, False, 1)
    assert is_replay(post(client, "endpoints/", {"url": URL}))
    assert Endpoint.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_suspended_creation_holds_no_transaction_and_no_lock():
    client, open_then = make_client(make_tenant()), []

    def look():
        open_then.append(connection.in_atomic_block)
        assert not Endpoint.objects.exists()
        assert post(client, "endpoints/", {"url": URL}).status_code == 201

    first, _ = run_suspended(lambda: post(client, "endpoints/", {"url": URL}), meanwhile=look)
    assert open_then == [False]
    assert is_replay(first)
    assert Endpoint.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_suspended_call_of_an_endpoint_is_made_once_and_stored(receiver):
    endpoint = make_endpoint(url=receiver.url("/in"))
    client, path = make_client(endpoint.tenant), f"endpoints/{endpoint.public_id}/test/"
    first, suspensions = run_suspended(lambda: post(client, path, {}))
    assert (first.status_code, is_replay(first), suspensions) == (200, False, 1)
    assert is_replay(post(client, path, {}))
    assert len(receiver.arrivals) == 1


@pytest.mark.django_db(transaction=True)
def test_suspended_creation_with_two_names_waits_for_each(dns):
    dns.answers["tokens.example.com"] = dns.answers["example.com"]
    auth = {"type": "oauth2", "token_url": "https://tokens.example.com/", "client_id": "a", "client_secret": "b"}
    client = make_client(make_tenant())
    first, suspensions = run_suspended(lambda: post(client, "endpoints/", {"url": URL, "auth": auth}))
    assert (first.status_code, suspensions) == (201, 2)
