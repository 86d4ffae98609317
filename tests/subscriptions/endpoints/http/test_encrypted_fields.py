"""Headers, auth and tls of an endpoint: encrypted, shown without secrets, kept when sent back as shown."""

import json

import pytest
from django.db import connection

from subscriptions.endpoints import endpoints
from subscriptions.endpoints.http.encrypted_fields import EncryptedFields, decrypt_fields, to_columns
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint, HttpSettings
from subscriptions.routing.targets import load_targets
from tests.factories import URL, make_client, make_endpoint, make_tenant
from tests.pki import Authority

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/endpoints/"
BEARER = {"type": "bearer", "token": "hunter2"}
AWS_SIGV4 = {"type": "aws_sigv4", "access_key_id": "AKIA1", "secret_access_key": "hunter2", "region": "eu-central-1"}
SECRETS = ("hunter2", "sesame", "PRIVATE KEY")


@pytest.fixture(scope="module")
def tls():
    client = Authority().issue("us")
    return {"certificate": client.pem, "private_key": client.key}


def create(client, **fields):
    response = client.post(ENDPOINTS, {"url": URL, **fields})
    assert response.status_code == 201, response.content
    return response.json()


def patch(client, row, **fields):
    response = client.patch(f"{ENDPOINTS}{row['id']}/", fields)
    assert response.status_code == 200, response.content
    return response.json()


def headers_of(row):
    """Return the custom headers that the next delivery would carry."""
    endpoint = Endpoint.objects.get(uid=row["uid"])
    return load_targets([endpoint.id])[endpoint.id].http.headers


def test_database_row_has_no_secret_in_plain_text(tls):
    create(make_client(make_tenant()), headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(e)::text FROM subscriptions_httpsettings e")
        ((row,),) = cursor.fetchall()
    assert "x-key" in row
    assert not [secret for secret in SECRETS if secret in row]


def test_api_shows_no_secret_to_readers(tls):
    tenant = make_tenant()
    row = create(make_client(tenant), headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    assert (row["auth"], row["tls"]["certificate"][0]["subject"]) == ({"type": "bearer"}, "CN=us")
    reader = make_client(tenant, "read")
    for path in (ENDPOINTS, f"{ENDPOINTS}{row['id']}/"):
        assert not [secret for secret in SECRETS if secret in reader.get(path).content.decode()]
    assert reader.get(f"{ENDPOINTS}{row['id']}/").json()["headers"] == {"x-key": "***"}


def test_api_shows_header_values_to_keys_that_may_manage():
    row = create(make_client(make_tenant()), headers={"x-key": "sesame"})
    assert row["headers"] == {"x-key": "sesame"}


def test_representation_can_be_sent_back_unchanged(tls):
    tenant = make_tenant()
    client = make_client(tenant)
    row = create(client, uid="main", headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    before = HttpSettings.objects.get().ciphertext
    shown = make_client(tenant, "read").get(f"{ENDPOINTS}{row['id']}/").json()
    response = client.put(f"{ENDPOINTS}{row['id']}/", {**shown, "description": "new"})
    assert response.status_code == 200, response.content
    assert headers_of(row) == ("x-key: sesame", "authorization: Bearer hunter2")
    assert decrypt_fields(HttpSettings.objects.get()).tls == tls
    assert bytes(HttpSettings.objects.get().ciphertext) != bytes(before)


def test_each_field_changes_alone_and_null_removes_it(tls):
    client = make_client(make_tenant())
    row = create(client, uid="main", headers={"x-key": "sesame"}, auth=BEARER, tls=tls)
    patch(client, row, headers={"x-other": "b"})
    assert headers_of(row) == ("x-other: b", "authorization: Bearer hunter2")
    assert patch(client, row, auth=None)["auth"] is None
    assert headers_of(row) == ("x-other: b",)
    assert patch(client, row, tls=None)["tls"] is None
    assert patch(client, row, headers={}, auth={"type": "none"})["headers"] == {}
    assert HttpSettings.objects.get().ciphertext is None


def test_put_without_auth_and_tls_keeps_them(tls):
    client = make_client(make_tenant())
    row = create(client, uid="main", auth=BEARER, tls=tls)
    response = client.put(f"{ENDPOINTS}{row['id']}/", {"url": URL, "uid": "main"})
    assert response.json()["auth"] == {"type": "bearer"}
    assert headers_of(row) == ("authorization: Bearer hunter2",)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"headers": {"Authorization": "x"}, "auth": BEARER}, "auth"),
        ({"headers": {"X-Key": "x"}, "auth": {"type": "header", "name": "x-key", "value": "y"}}, "auth"),
        ({"headers": {"X-Amz-Date": "x"}, "auth": AWS_SIGV4}, "auth"),
        ({"headers": {"x-amz-security-token": "x"}, "auth": AWS_SIGV4}, "auth"),
        ({"url": f"{URL}?q=a+b", "auth": AWS_SIGV4}, "%2B"),
        ({"headers": {"x-key": "***"}}, "headers"),
        ({"auth": {"type": "bearer"}}, "auth"),
        ({"auth": []}, "auth"),
        ({"auth": {"type": "basic", "username": "a"}}, "auth"),
        ({"tls": {"certificate": "x", "private_key": "y"}}, "tls"),
        ({"tls": []}, "tls"),
        ({"tls": "x"}, "tls"),
    ],
)
def test_invalid_field_is_a_400_that_names_it_and_writes_nothing(fields, named):
    client = make_client(make_tenant())
    response = client.post(ENDPOINTS, {"url": URL, **fields})
    assert response.status_code == 400, response.content
    assert named in response.content.decode()
    assert not Endpoint.objects.exists()
    endpoint = make_endpoint(make_tenant(), headers={"x-a": "b"})
    response = make_client(endpoint.tenant).patch(f"{ENDPOINTS}{endpoint.public_id}/", fields)
    assert response.status_code == 400, response.content
    assert decrypt_fields(HttpSettings.objects.get(pk=endpoint.pk)).headers == {"x-a": "b"}


def test_header_that_the_authentication_sets_is_rejected():
    endpoint = make_endpoint(auth=BEARER)
    with pytest.raises(Invalid) as error:
        endpoints.change_endpoint(endpoint, {"headers": {"authorization": "x"}})
    assert error.value.field == "headers"


def test_http_url_with_a_certificate_is_rejected(settings, tls):
    settings.WAYPOST_ALLOW_HTTP = True
    endpoint = make_endpoint(tls=tls)
    with pytest.raises(Invalid) as error:
        endpoints.change_endpoint(endpoint, {"url": "http://example.com/"})
    assert error.value.field == "tls"


def test_undecryptable_fields_send_nothing_until_all_are_given_again(settings):
    endpoint = make_endpoint(headers={"x-a": "b"})
    settings.WAYPOST_ENCRYPTION_KEYS = ["q7H1L4NLcFxRfOjGqhYvEwRrW0iVxPzQkYtq7cVbVZs="]
    assert load_targets([endpoint.id])[endpoint.id].http.headers is None
    client = make_client(endpoint.tenant)
    assert client.get(f"{ENDPOINTS}{endpoint.public_id}/").json()["headers"] == {"x-a": "***"}
    with pytest.raises(StateConflict):
        endpoints.change_endpoint(endpoint, {"headers": {"x-a": "c"}})
    endpoints.change_endpoint(endpoint, {"headers": {"x-a": "c"}, "auth": None, "tls": None})
    assert load_targets([endpoint.id])[endpoint.id].http.headers == ("x-a: c",)


def test_header_that_became_forbidden_leaves_no_headers():
    endpoint = make_endpoint(headers={"host": "inside"})
    assert load_targets([endpoint.id])[endpoint.id].http.headers is None


def test_to_columns_without_fields_has_no_ciphertext():
    assert to_columns(EncryptedFields()) == {"headers": {}, "auth": {}, "tls": {}, "ciphertext": None}
    assert "hunter2" not in repr(EncryptedFields(auth=BEARER))
    assert "hunter2" not in json.dumps(to_columns(EncryptedFields(auth=BEARER)), default=bytes.hex)
