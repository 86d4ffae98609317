"""Sources, secrets, receipts and rejections over REST: each promise of the doors."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from subscriptions.models import Tenant
from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_receipt, make_source, signed
from tests.routes import ApiRoute, RouteCases
from webhooks.kit.claim_check import INLINE_MAX, store_body
from webhooks.models import Receipt, Rejection, Source, SourceSecret
from webhooks.processing.process import process_due
from webhooks.sources.source_counts import source_counts
from webhooks.wire.ids import new_id, public
from webhooks.wire.signing.standard_webhooks import new_secret

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
        ApiRoute("patch", "sources/{source}/", "manage", 200, {"name": "x"}),
        ApiRoute("delete", "sources/{source}/", "manage", 204),
        ApiRoute("get", "sources/{source}/secrets/", "read", 200),
        ApiRoute("post", "sources/{source}/secrets/", "manage", 201, {}),
        ApiRoute("delete", "sources/{source}/secrets/{secret}/", "manage", 204),
        ApiRoute("get", "sources/{source}/stats/", "read", 200),
        ApiRoute("post", "sources/{source}/test/", "manage", 200, {}),
        ApiRoute("get", "receipts/", "read", 200),
        ApiRoute("get", "receipts/{receipt}/", "read", 200),
        ApiRoute("get", "receipts/{receipt}/body/", "read", 200),
        ApiRoute("post", "receipts/{receipt}/replays/", "manage", 202),
        ApiRoute("post", "receipts/replays/", "manage", 202, {}),
        ApiRoute("get", "rejections/", "read", 200),
        ApiRoute("get", "rejections/{rejection}/", "read", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        source = make_source(tenant_id=tenant.pk)
        return {
            "source": source.public_id,
            "secret": source.secrets.get().public_id,
            "receipt": make_receipt(source).public_id,
            "rejection": Rejection.objects.create(source=source, reason="x", size=0).public_id,
        }


def test_a_source_is_made_with_its_secret_shown_once_and_can_be_sent_to() -> None:
    client = make_client(make_tenant())
    made = post(client, "sources/", {"scheme": "standard", "uid": "shop"}).json()
    assert made["secret"].startswith("whsec_")
    assert made["url"].endswith("/in/shop/")
    assert made["secret"] not in client.get(f"{API}/sources/shop/").content.decode()
    assert made["secret"].encode() not in bytes(SourceSecret.objects.get().ciphertext)
    answer = Client().post("/in/shop/", BODY, "application/json", headers=signed(BODY, secret=made["secret"]))
    assert answer.status_code == 202


def test_a_secret_that_is_given_is_shown_back_once() -> None:
    given = new_secret()
    made = post(make_client(make_tenant()), "sources/", {"scheme": "standard", "secret": given})
    assert made.json()["secret"] == given


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scheme"),
        ({"scheme": "nonsense"}, "scheme"),
        ({"scheme": "github"}, "secret"),
        ({"scheme": "github", "secret": ""}, "secret"),
        ({"scheme": "standard", "secret": "whsec_!!"}, "secret"),
        ({"scheme": "none", "secret": "x"}, "secret"),
        ({"scheme": "hmac", "secret": "x", "options": {"algorithm": "md5"}}, "options"),
        ({"scheme": "hmac", "secret": "x", "options": {"header": 5}}, "options"),
        ({"scheme": "hmac", "secret": "x", "options": ["a"]}, "options"),
        ({"scheme": "standard", "options": {"what": "ever"}}, "options"),
        ({"scheme": "standard", "uid": "src_x"}, "uid"),
        ({"scheme": "standard", "uid": "a b"}, "uid"),
        ({"scheme": "standard", "message_id_path": "somewhere"}, "message_id_path"),
        ({"scheme": "standard", "message_id_path": "header:a b"}, "message_id_path"),
        ({"scheme": "standard", "order_key_path": "body:no/slash"}, "order_key_path"),
        ({"scheme": "standard", "max_bytes": 0}, "max_bytes"),
        ({"scheme": "standard", "response_status": 500}, "response_status"),
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
        ({"scheme": "standard", "response_content_type": "text/html"}, "response_content_type"),
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
        ({"scheme": "standard", "paused": "perhaps"}, "paused"),
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
def test_a_source_that_cannot_work_is_refused_and_the_field_is_named(body: dict, field: str) -> None:
    answer = post(make_client(make_tenant()), "sources/", body)
    assert answer.status_code == 400, answer.content
    assert {error["field"].split(".")[0] for error in answer.json()["errors"]} == {field}
    assert not Source.objects.exists()


def test_how_a_source_is_handled_is_said_when_it_is_made_and_can_be_taken_back() -> None:
    client = make_client(make_tenant())
    wishes = {
        "retry_plan": [1, 60],
        "handler_timeout_seconds": 5,
        "sequence_path": "header:X-Seq",
        "skip_out_of_order": True,
    }
    made = post(client, "sources/", {"scheme": "standard", "uid": "shop", **wishes}).json()
    assert {name: made[name] for name in wishes} == wishes
    changed = client.patch(f"{API}/sources/shop/", {"retry_plan": None}, format="json")
    assert changed.json()["retry_plan"] is None


def test_a_source_without_any_check_has_to_be_asked_for_by_name() -> None:
    assert post(make_client(make_tenant()), "sources/", {"scheme": "none"}).status_code == 201


def test_a_uid_means_one_source_in_the_whole_installation_and_is_free_after_a_deletion() -> None:
    first, second = make_client(make_tenant()), make_client(make_tenant())
    assert post(first, "sources/", {"scheme": "standard", "uid": "shop"}).status_code == 201
    taken = post(second, "sources/", {"scheme": "standard", "uid": "shop"})
    assert taken.json()["errors"][0]["field"] == "uid"
    first.delete(f"{API}/sources/shop/")
    assert post(second, "sources/", {"scheme": "standard", "uid": "shop"}).status_code == 201


def test_a_change_is_obeyed_by_the_next_message() -> None:
    client = make_client(make_tenant())
    made = post(client, "sources/", {"scheme": "none", "uid": "shop"}).json()
    assert Client().post("/in/shop/", b"1", "text/plain").status_code == 202
    changed = client.patch(f"{API}/sources/{made['id']}/", {"paused": True}, format="json")
    assert changed.json()["paused"] is True
    assert Client().post("/in/shop/", b"2", "text/plain").status_code == 503
    client.patch(f"{API}/sources/shop/", {"paused": False, "response_status": 200}, format="json")
    assert Client().post("/in/shop/", b"3", "text/plain").status_code == 200


def test_a_scheme_cannot_be_changed_to_one_its_secrets_do_not_fit() -> None:
    client = make_client(make_tenant())
    made = post(client, "sources/", {"scheme": "standard"}).json()
    answer = client.patch(f"{API}/sources/{made['id']}/", {"scheme": "none"}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "secret")


def test_a_secret_is_not_changed_behind_the_back_of_rotation() -> None:
    client = make_client(make_tenant())
    made = post(client, "sources/", {"scheme": "standard"}).json()
    answer = client.patch(f"{API}/sources/{made['id']}/", {"secret": new_secret()}, format="json")
    assert answer.status_code == 400


def test_a_deleted_source_is_gone_from_the_list_and_keeps_its_receipts() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    receipt = make_receipt(make_source(tenant_id=tenant.pk))
    assert client.delete(f"{API}/sources/{receipt.source.public_id}/").status_code == 204
    assert client.get(f"{API}/sources/").json()["data"] == []
    assert client.get(f"{API}/receipts/{receipt.public_id}/").status_code == 200


def test_a_rotation_makes_a_new_secret_and_lets_the_old_ones_expire() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    client = make_client(tenant)
    made = post(client, f"sources/{source.public_id}/secrets/", {"overlap_seconds": 3600}).json()
    listed = client.get(f"{API}/sources/{source.public_id}/secrets/").json()
    assert [secret["id"] for secret in listed] == [made["id"], listed[1]["id"]]
    assert made["secret"].startswith("whsec_")
    assert "secret" not in listed[0]
    old = SourceSecret.objects.get(expires_at__isnull=False)
    assert abs(old.expires_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)


def test_an_overlap_of_nothing_ends_the_old_secrets_at_once_and_none_lives_longer_than_before() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    client = make_client(tenant)
    path = f"sources/{source.public_id}/secrets/"
    for overlap in (60, 86_400, 0):
        post(client, path, {"overlap_seconds": overlap})
    assert len(client.get(f"{API}/{path}").json()) == 1


def test_a_source_has_ten_secrets_at_most() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    path, client = f"sources/{source.public_id}/secrets/", make_client(tenant)
    answers = [post(client, path, {}).status_code for _ in range(10)]
    assert answers == [201] * 9 + [400]


def test_where_the_sender_has_the_secret_it_has_to_be_given() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk, scheme="github", secret="shh")
    path, client = f"sources/{source.public_id}/secrets/", make_client(tenant)
    assert post(client, path, {}).status_code == 400
    assert post(client, path, {"secret": "new"}).status_code == 201


def test_a_revoked_secret_is_not_believed_any_more() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    secret = source.secrets.get()
    make_client(tenant).delete(f"{API}/sources/{source.public_id}/secrets/{secret.public_id}/")
    assert Client().post(f"/in/{source.public_id}/", BODY, "a/b", headers=signed(BODY)).status_code == 401


def test_one_sources_secret_is_not_found_below_another() -> None:
    tenant = make_tenant()
    one, other = make_source(tenant_id=tenant.pk), make_source(tenant_id=tenant.pk)
    path = f"{API}/sources/{one.public_id}/secrets/{other.secrets.get().public_id}/"
    assert make_client(tenant).delete(path).status_code == 404
    assert other.secrets.exists()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["dead", "done", "due"]),
        ("?state=pending", ["due"]),
        ("?state=processed", ["done"]),
        ("?state=dead", ["dead"]),
        ("?cause=crashed_worker", ["dead"]),
        ("?event_type=x.y", ["due"]),
        ("?message_id=done", ["done"]),
        ("?source=shop", ["dead", "done", "due"]),
        ("?source=nobody", []),
        ("?until=2020-01-01T00:00:00Z", []),
        ("?since=2020-01-01T00:00:00Z", ["dead", "done", "due"]),
        ("?since=0001-01-01T00:00:00Z&until=9999-12-31T00:00:00Z", ["dead", "done", "due"]),
    ],
)
def test_receipts_are_found_by_what_one_knows_of_them(query: str, expected: list[str]) -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk, uid="shop")
    now = timezone.now()
    make_receipt(source, message_id="due", event_type="x.y")
    make_receipt(source, message_id="done", due_at=None, processed_at=now)
    make_receipt(source, message_id="dead", due_at=None, dead_at=now, cause="crashed_worker")
    found = make_client(tenant).get(f"{API}/receipts/{query}").json()["data"]
    assert [receipt["message_id"] for receipt in found] == expected


@pytest.mark.parametrize("query", ["?state=odd", "?since=yesterday", "?cause=bad", "?until=99999999999999"])
def test_a_filter_that_makes_no_sense_is_400(query: str) -> None:
    assert make_client(make_tenant()).get(f"{API}/receipts/{query}").status_code == 400


@pytest.mark.parametrize("query", ["?source=%00", "?event_type=%00", "?source=" + "a" * 5000])
def test_a_filter_with_bytes_no_column_holds_is_never_our_error(query: str) -> None:
    assert make_client(make_tenant()).get(f"{API}/receipts/{query}").status_code in (200, 400)


def test_a_body_is_given_back_byte_for_byte_as_a_file_no_browser_opens() -> None:
    tenant = make_tenant()
    body = b"<script>alert(1)</script>\xff\x00"
    receipt = make_receipt(make_source(tenant_id=tenant.pk), body=body, content_type="text/html")
    answer = make_client(tenant).get(f"{API}/receipts/{receipt.public_id}/body/")
    assert b"".join(answer.streaming_content) == body
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_large_body_is_given_back_from_storage() -> None:
    tenant = make_tenant()
    stored = store_body(iter([bytes(INLINE_MAX + 1)]), new_id(), lambda chunk: None)
    receipt = make_receipt(make_source(tenant_id=tenant.pk), body=None, body_key=stored.key, size=stored.size)
    answer = make_client(tenant).get(f"{API}/receipts/{receipt.public_id}/body/")
    assert b"".join(answer.streaming_content) == bytes(INLINE_MAX + 1)


def test_a_dead_receipt_is_replayed_once() -> None:
    tenant = make_tenant()
    receipt = make_receipt(make_source(tenant_id=tenant.pk), due_at=None, dead_at=timezone.now())
    client = make_client(tenant)
    path = f"receipts/{receipt.public_id}/replays/"
    assert [post(client, path, {}).json() for _ in range(2)] == [
        {"replayed": 1, "remaining": 0},
        {"replayed": 0, "remaining": 0},
    ]


def test_many_are_counted_first_and_then_replayed_the_dead_unless_told_otherwise() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    make_receipt(source, due_at=None, processed_at=timezone.now())
    for owner in (source, source, make_source(tenant_id=make_tenant().pk)):
        make_receipt(owner, due_at=None, dead_at=timezone.now())
    client = make_client(tenant)
    assert post(client, "receipts/replays/", {"preview": True}).json() == {"total": 2}
    for wish, count in (({"source": source.public_id}, 2), ({"state": "processed"}, 1)):
        done = post(client, "receipts/replays/", {"filter": wish})
        assert (done.status_code, done.json()) == (202, {"replayed": count, "remaining": 0})
    assert Receipt.objects.filter(dead_at__isnull=False).count() == 1


@pytest.mark.parametrize("body", [{"filter": {"state": "odd"}}, {"filter": "all"}, {"preview": "perhaps"}, []])
def test_a_replay_that_makes_no_sense_is_400(body: Any) -> None:
    assert post(make_client(make_tenant()), "receipts/replays/", body).status_code == 400


def test_an_operator_sees_all_and_may_name_a_tenant() -> None:
    tenant = make_tenant()
    mine, other = make_source(tenant_id=tenant.pk), make_source()
    client = make_client()
    name = public("tnt", tenant.pk)
    assert len(client.get(f"{API}/sources/").json()["data"]) == 2
    assert [row["id"] for row in client.get(f"{API}/sources/?tenant={name}").json()["data"]] == [mine.public_id]
    made = client.post(f"{API}/sources/", {"scheme": "none"}, format="json", headers={"waypost-tenant": name}).json()
    assert made["tenant"] == name
    assert client.get(f"{API}/sources/{other.public_id}/").status_code == 200


def test_a_tenant_that_names_another_finds_nothing() -> None:
    tenant, other = make_tenant(), make_tenant()
    client = make_client(tenant)
    assert client.get(f"{API}/sources/?tenant={public('tnt', other.pk)}").status_code == 404
    assert client.get(f"{API}/sources/?tenant={public('tnt', tenant.pk)}").status_code == 200
    assert client.get(f"{API}/sources/?tenant=x").status_code == 404


def test_a_rejection_shows_why_and_nothing_secret() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    headers = signed(b"other") | {"authorization": "Bearer hush"}
    Client().post(f"/in/{source.public_id}/", BODY, "application/json", headers=headers)
    shown = make_client(tenant).get(f"{API}/rejections/?reason=no_match").json()["data"]
    assert shown[0]["headers"]["authorization"] == "[removed]"
    assert shown[0]["source"] == source.public_id


def test_what_was_received_and_handled_can_be_seen(settings) -> None:
    settings.WAYPOST_HANDLERS = {"ok": "tests.webhooks.handlers_of_tests.succeed"}
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk, handlers=[{"handler": "ok"}])
    Client().post(f"/in/{source.public_id}/", BODY, "application/json", headers=signed(BODY))
    process_due()
    shown = make_client(tenant).get(f"{API}/receipts/").json()["data"][0]
    assert (shown["state"], shown["handled_by"], shown["attempts"]) == ("processed", ["ok"], 1)


def test_the_figures_of_a_source_are_by_hour_in_all_and_of_now() -> None:
    client = make_client(make_tenant())
    made = post(client, "sources/", {"scheme": "none", "uid": "shop", "handlers": [{"handler": "log"}]}).json()
    for body in (b"1", b"1", b"2"):
        Client().post(made["url"], body, "text/plain")
    source_counts.write()
    stats = client.get(f"{API}/sources/shop/stats/?hours=2").json()
    assert stats["now"] == {"pending": 2, "dead": 0, "is_lower_bound": False}
    assert (stats["totals"]["received"], stats["totals"]["duplicates"]) == (2, 1)
    assert [hour["received"] for hour in stats["hours"]] == [0, 2]


@pytest.mark.parametrize("hours", ["0", "2161", "many", "-1"])
def test_hours_that_make_no_sense_are_refused_by_name(hours: str) -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    answer = make_client(tenant).get(f"{API}/sources/{source.public_id}/stats/?hours={hours}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "hours"


def test_a_body_whose_storage_is_out_of_reach_is_a_503_and_its_receipt_is_still_shown(claims) -> None:
    tenant = make_tenant()
    stored = store_body(iter([bytes(INLINE_MAX + 1)]), new_id(), lambda chunk: None)
    receipt = make_receipt(make_source(tenant_id=tenant.pk), body=None, body_key=stored.key, size=stored.size)
    (claims / stored.key).unlink()
    client = make_client(tenant)
    assert client.get(f"{API}/receipts/{receipt.public_id}/body/").status_code == 503
    assert client.get(f"{API}/receipts/{receipt.public_id}/").status_code == 200


def test_receipts_are_found_by_message_id_type_time_and_what_became_of_them() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    make_receipt(source, message_id="m-1", event_type="order.paid")
    make_receipt(source, message_id="m-2", event_type="order.gone", out_of_order=True, skipped=True)
    make_receipt(make_source(tenant_id=make_tenant().pk), message_id="m-1")
    client = make_client(tenant)
    for query, found in (
        ("message_id=m-1", ["m-1"]),
        ("message_id=m-3", []),
        ("event_type=order.gone", ["m-2"]),
        ("skipped=true", ["m-2"]),
        ("out_of_order=false", ["m-1"]),
        (f"source={source.public_id}&message_id=m-2", ["m-2"]),
        ("since=2000-01-01T00:00:00Z", ["m-2", "m-1"]),
        ("until=2000-01-01T00:00:00Z", []),
    ):
        listed = client.get(f"{API}/receipts/?{query}").json()["data"]
        assert [receipt["message_id"] for receipt in listed] == found, query


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["receipts", "rejections"])
@pytest.mark.parametrize("name", ["source", "since", "until"])
def test_an_empty_value_in_a_query_is_refused_and_not_ignored(page: str, name: str) -> None:
    answer = make_client(make_tenant()).get(f"{API}/{page}/", {name: ""})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [name]


@pytest.mark.django_db
def test_what_is_neither_true_nor_false_is_refused() -> None:
    answer = make_client(make_tenant()).get(f"{API}/receipts/", {"skipped": "null"})
    assert [error["field"] for error in answer.json()["errors"]] == ["skipped"]
