"""What an endpoint is sent with is encrypted, shown in part, and stays when it comes back as it was shown."""

import json

import pytest
from django.db import connection

from subscriptions.endpoints import endpoints
from subscriptions.endpoints.encrypted_fields import EncryptedFields, decrypt_fields, to_columns
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint
from subscriptions.routing.targets import load_targets
from tests.factories import URL, make_client, make_endpoint, make_tenant
from tests.pki import Authority

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/endpoints/"
BEARER = {"type": "bearer", "token": "hunter2"}
SECRETS = ("hunter2", "sesame", "PRIVATE KEY")


@pytest.fixture(scope="module")
def tls():
    issued = Authority().issue("us")
    return {"certificate": issued.pem, "private_key": issued.key}


def made(client, **fields):
    answer = client.post(ENDPOINTS, {"url": URL, **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()


def patched(client, row, **fields):
    answer = client.patch(f"{ENDPOINTS}{row['id']}/", fields)
    assert answer.status_code == 200, answer.content
    return answer.json()


def sent_to(row):
    """The headers of its own that the next delivery would carry."""
    endpoint = Endpoint.objects.get(uid=row["uid"])
    return load_targets([endpoint.id])[endpoint.id].headers


def test_no_secret_of_an_endpoint_stands_in_the_database(tls):
    made(make_client(make_tenant()), headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(e)::text FROM subscriptions_endpoint e")
        ((row,),) = cursor.fetchall()
    assert "x-key" in row
    assert not [secret for secret in SECRETS if secret in row]


def test_no_secret_comes_back_over_rest(tls):
    tenant = make_tenant()
    row = made(make_client(tenant), headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    assert (row["auth"], row["tls"]["certificate"][0]["subject"]) == ({"type": "bearer"}, "CN=us")
    reader = make_client(tenant, "read")
    for path in (ENDPOINTS, f"{ENDPOINTS}{row['id']}/"):
        assert not [secret for secret in SECRETS if secret in reader.get(path).content.decode()]
    assert reader.get(f"{ENDPOINTS}{row['id']}/").json()["headers"] == {"x-key": "***"}


def test_who_may_change_headers_sees_them():
    row = made(make_client(make_tenant()), headers={"x-key": "sesame"})
    assert row["headers"] == {"x-key": "sesame"}


def test_what_was_read_can_be_sent_back(tls):
    tenant = make_tenant()
    client = make_client(tenant)
    row = made(client, uid="main", headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    before = Endpoint.objects.get().ciphertext
    shown = make_client(tenant, "read").get(f"{ENDPOINTS}{row['id']}/").json()
    answer = client.put(f"{ENDPOINTS}{row['id']}/", {**shown, "description": "new"})
    assert answer.status_code == 200, answer.content
    assert sent_to(row) == ("x-key: sesame", "authorization: Bearer hunter2")
    assert decrypt_fields(Endpoint.objects.get()).tls == tls
    assert bytes(Endpoint.objects.get().ciphertext) != bytes(before)


def test_each_part_changes_alone_and_null_ends_it(tls):
    client = make_client(make_tenant())
    row = made(client, uid="main", headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    patched(client, row, headers={"x-other": "b"})
    assert sent_to(row) == ("x-other: b", "authorization: Bearer hunter2")
    assert patched(client, row, auth=None)["auth"] == {}
    assert sent_to(row) == ("x-other: b",)
    assert patched(client, row, tls=None)["tls"] == {}
    assert patched(client, row, headers={}, auth={"type": "none"})["headers"] == {}
    assert Endpoint.objects.get().ciphertext is None


def test_put_without_them_leaves_authentication_and_certificates(tls):
    client = make_client(make_tenant())
    row = made(client, uid="main", auth=BEARER, tls=tls)
    answer = client.put(f"{ENDPOINTS}{row['id']}/", {"url": URL, "uid": "main"})
    assert answer.json()["auth"] == {"type": "bearer"}
    assert sent_to(row) == ("authorization: Bearer hunter2",)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"headers": {"Authorization": "x"}, "auth": BEARER}, "auth"),
        ({"headers": {"X-Key": "x"}, "auth": {"type": "header", "name": "x-key", "value": "y"}}, "auth"),
        ({"headers": {"x-key": "***"}}, "headers"),
        ({"auth": {"type": "bearer"}}, "auth"),
        ({"auth": []}, "auth"),
        ({"auth": {"type": "basic", "username": "a"}}, "auth"),
        ({"tls": {"certificate": "x", "private_key": "y"}}, "tls"),
        ({"tls": []}, "tls"),
        ({"tls": "x"}, "tls"),
    ],
)
def test_bad_input_names_the_field_and_writes_nothing(fields, named):
    client = make_client(make_tenant())
    answer = client.post(ENDPOINTS, {"url": URL, **fields})
    assert answer.status_code == 400, answer.content
    assert named in answer.content.decode()
    assert not Endpoint.objects.exists()
    endpoint = make_endpoint(make_tenant(), headers={"x-a": "b"})
    answer = make_client(endpoint.tenant).patch(f"{ENDPOINTS}{endpoint.public_id}/", fields)
    assert answer.status_code == 400, answer.content
    assert decrypt_fields(Endpoint.objects.get(pk=endpoint.pk)).headers == {"x-a": "b"}


def test_headers_that_come_later_may_not_contradict_the_authentication():
    endpoint = make_endpoint(auth=BEARER)
    with pytest.raises(Invalid) as refusal:
        endpoints.change_endpoint(endpoint, {"headers": {"authorization": "x"}})
    assert refusal.value.field == "headers"


def test_a_certificate_belongs_to_https(settings, tls):
    settings.WAYPOST_ALLOW_HTTP = True
    endpoint = make_endpoint(tls=tls)
    with pytest.raises(Invalid) as refusal:
        endpoints.change_endpoint(endpoint, {"url": "http://example.com/"})
    assert refusal.value.field == "tls"


def test_what_is_encrypted_under_a_lost_key_sends_nothing_and_is_given_anew_as_a_whole(settings):
    endpoint = make_endpoint(headers={"x-a": "b"})
    settings.WAYPOST_ENCRYPTION_KEYS = ["q7H1L4NLcFxRfOjGqhYvEwRrW0iVxPzQkYtq7cVbVZs="]
    assert load_targets([endpoint.id])[endpoint.id].headers is None
    client = make_client(endpoint.tenant)
    assert client.get(f"{ENDPOINTS}{endpoint.public_id}/").json()["headers"] == {"x-a": "***"}
    with pytest.raises(StateConflict):
        endpoints.change_endpoint(endpoint, {"headers": {"x-a": "c"}})
    endpoints.change_endpoint(endpoint, {"headers": {"x-a": "c"}, "auth": None, "tls": None})
    assert load_targets([endpoint.id])[endpoint.id].headers == ("x-a: c",)


def test_a_header_that_has_become_forbidden_is_not_sent():
    endpoint = make_endpoint(headers={"host": "inside"})
    assert load_targets([endpoint.id])[endpoint.id].headers is None


def test_nothing_confidential_means_nothing_stored():
    assert to_columns(EncryptedFields()) == {"headers": {}, "auth": {}, "tls": {}, "ciphertext": None}
    assert "hunter2" not in repr(EncryptedFields(auth=BEARER))
    assert "hunter2" not in json.dumps(to_columns(EncryptedFields(auth=BEARER)), default=bytes.hex)
