"""Test sources over REST: creation, changes, deletion, tenants and statistics."""

from typing import Any

import pytest
from django.test import Client

from subscriptions.models import Tenant
from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_receipt, make_source, signed
from tests.routes import ApiRoute, RouteCases
from webhooks.models import Source, SourceSecret
from webhooks.senders.presets import find_sender
from webhooks.sources.source_counts import source_counts
from webhooks.wire.envelopes import AUTO, NONE, OPENERS
from webhooks.wire.ids import new_id, public
from webhooks.wire.signing.keys import new_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

API = "/api/v1"
BODY = b'{"type":"a.b"}'


def post(client, path: str, body: Any) -> Any:
    return client.post(f"{API}/{path}", body, format="json")


@pytest.mark.usefixtures("receiver", "rules")
class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "sources/", "read", 200),
        ApiRoute("post", "sources/", "manage", 201, {"scheme": "standard"}),
        ApiRoute("get", "sources/{source}/", "read", 200),
        ApiRoute("put", "sources/{source}/", "manage", 200, {"scheme": "standard"}),
        ApiRoute("patch", "sources/{source}/", "manage", 200, {"name": "x"}),
        ApiRoute("delete", "sources/{source}/", "manage", 204),
        ApiRoute("get", "sources/{source}/stats/", "read", 200),
        ApiRoute("post", "sources/{source}/test/", "manage", 200, {}),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"source": make_source(tenant_id=tenant.pk).public_id}


def test_create_returns_the_secret_once_and_the_source_accepts_its_messages() -> None:
    client = make_client(make_tenant())
    created = post(client, "sources/", {"scheme": "standard", "uid": "shop"}).json()
    assert created["secret"].startswith("whsec_")
    assert created["url"].endswith(f"/in/{created['id']}/")
    assert created["secret"] not in client.get(f"{API}/sources/shop/").content.decode()
    assert created["secret"].encode() not in bytes(SourceSecret.objects.get().ciphertext)
    response = Client().post(created["url"], BODY, "application/json", headers=signed(BODY, secret=created["secret"]))
    assert response.status_code == 202


def test_create_returns_a_given_secret_once() -> None:
    given = new_secret()
    created = post(make_client(make_tenant()), "sources/", {"scheme": "standard", "secret": given})
    assert created.json()["secret"] == given


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scheme"),
        ({"scheme": "nonsense"}, "scheme"),
        ({"scheme": "github"}, "secret"),
        ({"scheme": "github", "secret": ""}, "secret"),
        ({"scheme": "standard", "secret": "whsec_!!"}, "secret"),
        ({"scheme": "none", "secret": "x"}, "secret"),
        ({"scheme": "hmac", "secret": "x", "options": {"algorithm": "md4"}}, "options"),
        ({"scheme": "hmac", "secret": "x", "options": {"header": 5}}, "options"),
        ({"scheme": "hmac", "secret": "x", "options": ["a"]}, "options"),
        ({"scheme": "standard", "options": {"what": "ever"}}, "options"),
        ({"scheme": "standard", "uid": "src_x"}, "uid"),
        ({"scheme": "standard", "uid": "a b"}, "uid"),
        ({"scheme": "standard", "message_id_path": "somewhere"}, "message_id_path"),
        ({"scheme": "standard", "message_id_path": "header:a b"}, "message_id_path"),
        ({"scheme": "standard", "order_key_path": "body:no/slash"}, "order_key_path"),
        ({"scheme": "standard", "max_bytes": 0}, "max_bytes"),
        ({"scheme": "standard", "response_status": 600}, "response_status"),
        ({"scheme": "standard", "timestamp_tolerance_seconds": -1}, "timestamp_tolerance_seconds"),
        ({"scheme": "standard", "rate_per_minute": 0}, "rate_per_minute"),
        ({"scheme": "standard", "handlers": "log"}, "handlers"),
        ({"scheme": "standard", "handlers": [{"handler": "os.abort"}]}, "handlers"),
        ({"scheme": "standard", "handlers": [{"handler": ["log"]}]}, "handlers"),
        ({"scheme": "standard", "handlers": [{"handler": "log", "pattern": {"type": "x"}}]}, "handlers"),
        ({"scheme": "standard", "handlers": [{"handler": "log", "pattern": {"type": ["\0"]}}]}, "handlers"),
        ({"scheme": "standard", "handlers": [{"handler": "log"}] * 21}, "handlers"),
        ({"scheme": "standard", "public_url": "javascript:alert(1)"}, "public_url"),
        ({"scheme": "standard", "content_types": "application/json"}, "content_types"),
        ({"scheme": "standard", "content_types": ["json"]}, "content_types"),
        ({"scheme": "standard", "content_types": ["*/*"]}, "content_types"),
        ({"scheme": "standard", "content_types": [7]}, "content_types"),
        ({"scheme": "standard", "content_types": ["a/b"] * 21}, "content_types"),
        ({"scheme": "standard", "response_body": "x" * 4097}, "response_body"),
        ({"scheme": "standard", "response_body": "a\0b", "response_content_type": "text/plain"}, "response_body"),
        ({"scheme": "standard", "response_body": "<Response/>"}, "response_body"),
        ({"scheme": "standard", "response_body": "{}", "response_status": 204}, "response_body"),
        ({"scheme": "standard", "response_content_type": "text"}, "response_content_type"),
        ({"scheme": "standard", "response_content_type": "text/xml\r\nX: y"}, "response_content_type"),
        ({"sender": "nonsense", "scheme": "none"}, "sender"),
        ({"sender": "zoom"}, "secret"),
        ({"scheme": "none", "handshake": {}}, "handshake"),
        ({"scheme": "none", "handshake": [{"method": "PUT"}]}, "handshake"),
        ({"scheme": "none", "responses": []}, "responses"),
        ({"scheme": "none", "responses": {"other": {}}}, "responses"),
        ({"scheme": "none", "responses": {"rejected": {"status": 99}}}, "responses"),
        ({"scheme": "none", "responses": {"rejected": {"body": "x" * 4097}}}, "responses"),
        ({"scheme": "none", "responses": {"rejected": {"content_type": "a b"}}}, "responses"),
        ({"scheme": "standard", "response_when": "never"}, "response_when"),
        ({"scheme": "standard", "response_timeout_seconds": 26}, "response_timeout_seconds"),
        ({"scheme": "standard", "response_timeout_seconds": 0}, "response_timeout_seconds"),
        ({"scheme": "standard", "skip_out_of_order": True}, "skip_out_of_order"),
        ({"scheme": "standard", "name": "x" * 257}, "name"),
        ({"scheme": "standard", "name": None}, "name"),
        ({"scheme": "standard", "timestamp_tolerance_seconds": 86_401}, "timestamp_tolerance_seconds"),
        ({"scheme": "standard", "timestamp_tolerance_seconds": "soon"}, "timestamp_tolerance_seconds"),
        ({"scheme": "standard", "max_bytes": 5 * 1024**3 + 1}, "max_bytes"),
        ({"scheme": "standard", "rate_per_minute": 2**40}, "rate_per_minute"),
        ({"scheme": "standard", "event_type_path": "x" * 257}, "event_type_path"),
        ({"scheme": "standard", "secret": "x" * 8193}, "secret"),
        ({"scheme": "standard", "state": "perhaps"}, "state"),
        ({"scheme": "standard", "labels": {"env": "a b"}}, "labels"),
        ({"scheme": "standard", "uid": "x" * 257}, "uid"),
        ({"scheme": "standard", "handler_timeout_seconds": 0}, "handler_timeout_seconds"),
        ({"scheme": "standard", "handler_timeout_seconds": 901}, "handler_timeout_seconds"),
        ({"scheme": "standard", "sequence_path": "body"}, "sequence_path"),
        ({"scheme": "standard", "skip_out_of_order": "perhaps"}, "skip_out_of_order"),
        ({"scheme": "standard", "retry_plan": 5}, "retry_plan"),
        ({"scheme": "standard", "retry_plan": [0]}, "retry_plan"),
        ({"scheme": "standard", "retry_plan": [True]}, "retry_plan"),
        ({"scheme": "standard", "retry_plan": ["5"]}, "retry_plan"),
        ({"scheme": "standard", "retry_plan": [1] * 21}, "retry_plan"),
        ({"scheme": "standard", "retry_plan": [604_800] * 5}, "retry_plan"),
        ({"scheme": "standard", "allowed_origins": "*"}, "allowed_origins"),
        ({"scheme": "standard", "allowed_origins": ["a b"]}, "allowed_origins"),
        ({"scheme": "standard", "allowed_origins": ["a.example"] * 101}, "allowed_origins"),
        ({"scheme": "standard", "verify_token": ""}, "verify_token"),
        ({"scheme": "standard", "verify_token": "x" * 257}, "verify_token"),
        ({"scheme": "jwt"}, "secret"),
        ({"scheme": "jwt", "secret": "short"}, "secret"),
        ({"scheme": "jwt", "options": {"jwks_url": "https://a.example.com/"}}, "options"),
        ({"scheme": "jwt", "options": {"jwks_url": "http://a.example.com/", "audience": "us"}}, "options"),
        ({"scheme": "jwt", "options": {"jwks_url": "https://localhost/", "audience": "us"}}, "options"),
        ({"scheme": "mtls"}, "secret"),
        ({"scheme": "mtls", "secret": "CN=shop", "options": {"form": "jpeg"}}, "options"),
        ({"scheme": "token", "secret": "x", "options": {"header": "a b"}}, "options"),
    ],
)
def test_create_with_an_invalid_field_is_a_400_that_names_it(body: dict, field: str) -> None:
    response = post(make_client(make_tenant()), "sources/", body)
    assert response.status_code == 400, response.content
    assert {error["field"].split(".")[0] for error in response.json()["errors"]} == {field}
    assert not Source.objects.exists()


def test_create_returns_the_processing_settings_and_patch_resets_them() -> None:
    client = make_client(make_tenant())
    settings = {
        "retry_plan": [1, 60],
        "handler_timeout_seconds": 5,
        "sequence_path": "header:X-Seq",
        "skip_out_of_order": True,
    }
    created = post(client, "sources/", {"scheme": "standard", "uid": "shop", **settings}).json()
    assert {name: created[name] for name in settings} == settings
    changed = client.patch(f"{API}/sources/shop/", {"retry_plan": None}, format="json")
    assert changed.json()["retry_plan"] is None


def test_create_with_a_sender_takes_the_fields_of_its_preset_and_keeps_those_that_are_given() -> None:
    client = make_client(make_tenant())
    created = post(client, "sources/", {"sender": "zoom", "secret": "s", "response_status": 204}).json()
    preset = find_sender("zoom").fields
    assert (created["sender"], created["scheme"], created["response_status"]) == ("zoom", "hmac", 204)
    assert {name: created[name] for name in ("options", "handshake", "event_type_path")} == {
        name: preset[name] for name in ("options", "handshake", "event_type_path")
    }
    other = {"options": {"header": "x-other"}}
    changed = post(client, "sources/", {"sender": "zoom", "secret": "s", **other}).json()
    assert changed["options"] == {**preset["options"], **other["options"]}


def test_sender_of_a_source_cannot_be_changed() -> None:
    client = make_client(make_tenant())
    created = post(client, "sources/", {"sender": "zoom", "secret": "s"}).json()
    path = f"{API}/sources/{created['id']}/"
    assert client.patch(path, {"sender": "zoom", "name": "meetings"}, format="json").status_code == 200
    refused = client.patch(path, {"sender": ""}, format="json")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "sender")


def test_envelope_of_a_source_is_auto_unless_given() -> None:
    client = make_client(make_tenant())
    assert post(client, "sources/", {"scheme": "none", "uid": "a"}).json()["envelope"] == "auto"
    assert post(client, "sources/", {"scheme": "none", "envelope": "eventbridge"}).json()["envelope"] == "eventbridge"
    assert client.patch(f"{API}/sources/a/", {"envelope": "none"}, format="json").json()["envelope"] == "none"
    assert post(client, "sources/", {"scheme": "none", "envelope": "kinesis"}).status_code == 400


def test_every_envelope_that_is_opened_can_be_chosen() -> None:
    assert set(Source.Envelope.values) == {NONE, AUTO, *OPENERS}
    assert {name: Source.Envelope(name).label for name in OPENERS} == {name: it.label for name, it in OPENERS.items()}


def test_create_with_scheme_none_is_a_201() -> None:
    assert post(make_client(make_tenant()), "sources/", {"scheme": "none"}).status_code == 201


def test_uid_is_unique_within_the_tenant_until_its_source_is_deleted() -> None:
    client = make_client(make_tenant())
    assert post(client, "sources/", {"scheme": "standard", "uid": "shop"}).status_code == 201
    conflict = post(client, "sources/", {"scheme": "standard", "uid": "shop"})
    assert (conflict.status_code, conflict.json()["errors"][0]["field"]) == (409, "uid")
    client.delete(f"{API}/sources/shop/")
    assert post(client, "sources/", {"scheme": "standard", "uid": "shop"}).status_code == 201


def test_uid_is_unique_among_the_sources_that_no_tenant_owns() -> None:
    operator = make_client()
    make_source(uid="shop", tenant_id=make_tenant().pk)
    assert post(operator, "sources/", {"scheme": "standard", "uid": "shop"}).status_code == 201
    assert post(operator, "sources/", {"scheme": "standard", "uid": "shop"}).status_code == 409
    assert [post(operator, "sources/", {"scheme": "none"}).status_code for _ in range(2)] == [201, 201]


def test_uid_of_another_tenants_source_is_free_and_names_nothing_there() -> None:
    tenant = make_tenant()
    client, other = make_client(tenant), make_source(uid="theirs", tenant_id=make_tenant().pk)
    known, unknown = (client.get(f"{API}/sources/{ref}/") for ref in ("theirs", "unknown"))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.status_code == 404
    own = post(client, "sources/", {"scheme": "none", "uid": "mine"}).json()
    moved = client.patch(f"{API}/sources/mine/", {"uid": "theirs"}, format="json")
    assert (moved.status_code, moved.json()["uid"], moved.json()["url"]) == (200, "theirs", own["url"])
    assert client.get(f"{API}/sources/theirs/").json()["id"] == own["id"]
    foreign, unknown = (
        client.get(f"{API}/receipts/?source={ref}") for ref in (other.public_id, public("src", new_id()))
    )
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert foreign.status_code == 400


@pytest.mark.parametrize("change", ["delete", "rename"])
def test_messages_of_a_source_reach_no_other_tenant_that_takes_its_uid(change: str) -> None:
    first, second = make_client(make_tenant()), make_client(make_tenant())
    created = post(first, "sources/", {"scheme": "none", "uid": "shop"}).json()
    if change == "delete":
        first.delete(f"{API}/sources/shop/")
    else:
        assert first.patch(f"{API}/sources/shop/", {"uid": "shop-2"}, format="json").status_code == 200
    assert post(second, "sources/", {"scheme": "none", "uid": "shop"}).status_code == 201
    response = Client().post(created["url"], BODY, "application/json")
    assert response.status_code == (410 if change == "delete" else 202)
    assert second.get(f"{API}/receipts/").json()["data"] == []


def test_uid_used_by_several_tenants_needs_a_tenant_from_an_operator() -> None:
    tenants = [make_tenant(), make_tenant()]
    sources = [make_source(uid="shop", tenant_id=tenant.pk) for tenant in tenants]
    operator = make_client()
    ambiguous = operator.get(f"{API}/sources/shop/")
    assert (ambiguous.status_code, ambiguous.json()["errors"][0]["field"]) == (400, "tenant")
    named = operator.get(f"{API}/sources/shop/", headers={"waypost-tenant": tenants[1].public_id})
    assert named.json()["id"] == sources[1].public_id


def test_receipts_of_a_uid_are_those_of_the_source_that_has_it_now() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    old = make_receipt(make_source(uid="shop", tenant_id=tenant.pk))
    client.delete(f"{API}/sources/shop/")
    new = make_receipt(make_source(uid="shop", tenant_id=tenant.pk))

    def ids(source: str) -> list[str]:
        return [row["id"] for row in client.get(f"{API}/receipts/?source={source}").json()["data"]]

    assert (ids("shop"), ids(old.source.public_id)) == ([new.public_id], [old.public_id])


def test_patch_applies_to_the_next_message() -> None:
    client = make_client(make_tenant())
    created = post(client, "sources/", {"scheme": "none", "uid": "shop"}).json()
    assert Client().post(created["url"], b"1", "text/plain").status_code == 202
    changed = client.patch(f"{API}/sources/{created['id']}/", {"state": "paused"}, format="json")
    assert changed.json()["state"] == "paused"
    assert Client().post(created["url"], b"2", "text/plain").status_code == 503
    client.patch(f"{API}/sources/shop/", {"state": "active", "response_status": 200}, format="json")
    assert Client().post(created["url"], b"3", "text/plain").status_code == 200


def test_patch_to_a_scheme_that_rejects_the_secrets_is_a_400() -> None:
    client = make_client(make_tenant())
    created = post(client, "sources/", {"scheme": "standard"}).json()
    response = client.patch(f"{API}/sources/{created['id']}/", {"scheme": "none"}, format="json")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "secret")


def test_patch_of_the_secret_is_a_400() -> None:
    client = make_client(make_tenant())
    created = post(client, "sources/", {"scheme": "standard"}).json()
    response = client.patch(f"{API}/sources/{created['id']}/", {"secret": new_secret()}, format="json")
    assert response.status_code == 400


def test_deleted_source_is_not_listed_and_keeps_its_receipts() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    receipt = make_receipt(make_source(tenant_id=tenant.pk))
    assert client.delete(f"{API}/sources/{receipt.source.public_id}/").status_code == 204
    assert client.get(f"{API}/sources/").json()["data"] == []
    assert client.get(f"{API}/receipts/{receipt.public_id}/").status_code == 200


def test_operator_lists_all_sources_and_may_name_a_tenant() -> None:
    tenant = make_tenant()
    mine, other = make_source(tenant_id=tenant.pk), make_source()
    client = make_client()
    name = public("tnt", tenant.pk)
    assert len(client.get(f"{API}/sources/").json()["data"]) == 2
    assert [row["id"] for row in client.get(f"{API}/sources/?tenant={name}").json()["data"]] == [mine.public_id]
    created = client.post(f"{API}/sources/", {"scheme": "none"}, format="json", headers={"waypost-tenant": name}).json()
    assert created["tenant"] == name
    assert client.get(f"{API}/sources/{other.public_id}/").status_code == 200


def test_operator_names_a_tenant_by_its_uid() -> None:
    tenant = make_tenant(uid="acme")
    mine = make_source(uid="shop", tenant_id=tenant.pk)
    make_source(uid="shop")
    changed = make_client().patch(f"{API}/sources/shop/?tenant=acme", {"uid": "till"}, format="json")
    assert (changed.status_code, changed.json()["id"], changed.json()["uid"]) == (200, mine.public_id, "till")
    headers = {"waypost-tenant": "acme"}
    created = make_client().post(f"{API}/sources/", {"scheme": "none"}, format="json", headers=headers)
    assert created.json()["tenant"] == tenant.public_id
    for name in ("unknown", "", "a b"):
        assert make_client().get(f"{API}/sources/", headers={"waypost-tenant": name}).status_code == 404
    both = make_client().get(f"{API}/sources/?tenant={make_tenant().public_id}", headers=headers)
    assert (both.status_code, both.json()["errors"][0]["field"]) == (400, "tenant")


def test_uid_of_another_tenant_is_a_404_like_an_unknown_one() -> None:
    tenant, _ = make_tenant(uid="acme"), make_tenant(uid="other")
    client = make_client(tenant)
    assert client.get(f"{API}/sources/?tenant=acme").status_code == 200
    known, unknown = (client.get(f"{API}/sources/?tenant={uid}") for uid in ("other", "unknown"))
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.status_code == 404


def test_tenant_that_names_another_tenant_is_a_404() -> None:
    tenant, other = make_tenant(), make_tenant()
    client = make_client(tenant)
    assert client.get(f"{API}/sources/?tenant={public('tnt', other.pk)}").status_code == 404
    assert client.get(f"{API}/sources/?tenant={public('tnt', tenant.pk)}").status_code == 200
    assert client.get(f"{API}/sources/?tenant=x").status_code == 404


def test_stats_have_hours_totals_and_current_counts() -> None:
    client = make_client(make_tenant())
    created = post(
        client, "sources/", {"scheme": "none", "uid": "shop", "dedupe": "content", "handlers": [{"handler": "log"}]}
    ).json()
    for body in (b"1", b"1", b"2"):
        Client().post(created["url"], body, "text/plain")
    source_counts.write()
    stats = client.get(f"{API}/sources/shop/stats/?hours=2").json()
    assert stats["now"] == {"pending": 2, "dead": 0, "is_lower_bound": False}
    assert (stats["total"]["received"], stats["total"]["duplicates"]) == (2, 1)
    assert [hour["received"] for hour in stats["data"]] == [0, 2]


@pytest.mark.parametrize("hours", ["0", "2161", "many", "-1"])
def test_stats_with_invalid_hours_are_a_400_that_names_them(hours: str) -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    response = make_client(tenant).get(f"{API}/sources/{source.public_id}/stats/?hours={hours}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "hours"
