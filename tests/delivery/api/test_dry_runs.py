"""Dry runs return the matches and bodies of publishing, and store and send nothing."""

import base64

import pytest

from delivery.api import dry_runs
from delivery.models import Delivery, Event
from delivery.publishing.publisher import publish
from tests.delivery.factories import make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

TEST = "/api/v1/subscriptions/test/"
PLAIN = {"type": "order.paid", "data": {"total": 42, "name": 'A "B"'}}


class TestDryRunRoutes(RouteCases):
    routes = (ApiRoute("post", "subscriptions/test/", "read", 200, {"event": "{event}"}),)

    def make_ids(self, tenant):
        return {"event": make_event(tenant).public_id}


def dry_run(tenant, **body):
    response = make_client(tenant, "read").post(TEST, body)
    assert response.status_code == 200, response.content
    return response.json()["data"]


def test_matching_pattern_shows_what_would_be_sent(tenant):
    (result,) = dry_run(tenant, pattern={"data": {"total": [42]}}, event=PLAIN)
    assert (result["matches"], result["type_matches"], result["mismatches"]) == (True, True, [])
    assert '"data":{"total":42' in result["request"]["body"]
    assert result["request"]["headers"]["content-type"] == "application/cloudevents+json"


def test_mismatching_pattern_names_the_field(tenant):
    pattern = {"data": {"total": [{"numeric": [">", 100]}], "name": [{"exists": True}]}}
    (result,) = dry_run(tenant, pattern=pattern, event=PLAIN)
    assert not result["matches"]
    assert result["mismatches"] == [
        {
            "path": "data.total",
            "expected": [{"numeric": [">", 100]}],
            "found": [42],
            "reason": "the event has another value here",
        }
    ]


def test_transformer_renders_the_body_that_would_be_sent(tenant):
    transformer = {"input_paths": {"n": "$.data.name"}, "template": '{"text": "from <n>"}'}
    (result,) = dry_run(tenant, transformer=transformer, event=PLAIN)
    assert result["request"]["body"] == '{"text": "from A \\"B\\""}'
    assert result["request"]["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize("number", ["1.10", "1e3", "-0", "18446744073709551617", "0.1000000000000000055"])
@pytest.mark.parametrize("attributes", ['"type":"order.paid"', '"specversion":"1.0","id":"1","source":"/s","type":"t"'])
def test_numbers_of_an_event_are_those_that_were_written(tenant, number, attributes):
    body = f'{{"transformer":{{"template":"<$.data.n>"}},"event":{{{attributes},"data":{{"n":{number}}}}}}}'
    response = make_client(tenant, "read").post(TEST, body.encode(), content_type="application/json")
    assert response.json()["data"][0]["request"]["body"] == number


def test_failing_transformation_shows_the_reason(tenant):
    transformer = {"input_paths": {"n": "$.data.total"}, "template": "{<n>: 1}"}
    (result,) = dry_run(tenant, transformer=transformer, event=PLAIN)
    assert "a name in an object must be a string" in result["transformation_error"]
    assert result["request"] is None


def test_stored_subscription_is_tested_with_its_endpoints_headers(tenant):
    endpoint = make_endpoint(tenant, content_mode="binary", headers={"x-mine": "1"})
    made = make_subscription(endpoint, event_types=["order.*"], pattern={"data": {"total": [42]}})
    paid, other = dry_run(
        tenant, subscription=made.public_id, events=[PLAIN, {"type": "refund", "data": {"total": 42}}]
    )
    assert (paid["matches"], other["matches"], other["type_matches"]) == (True, False, False)
    headers = paid["request"]["headers"]
    assert (headers["x-mine"], headers["ce-type"]) == ("***", "order.paid")
    assert paid["request"]["body"] == '{"total":42,"name":"A \\"B\\""}'


def test_dry_run_returns_no_signature(tenant):
    made = make_subscription(make_endpoint(tenant))
    (result,) = dry_run(tenant, subscription=made.public_id, event=PLAIN)
    assert result["request"]["headers"]["webhook-signature"] == "v1,(signed when it is sent)"


def test_stored_event_is_tested_as_published(tenant):
    published = publish(tenant, [PLAIN])[0]
    event = Event.objects.get(pk=published.key)
    (result,) = dry_run(tenant, pattern={"type": ["order.paid"]}, event=event.public_id)
    assert result["request"]["body"].encode() == bytes(event.body)
    assert result["request"]["headers"]["webhook-id"] == event.public_id


def test_event_and_rule_of_eventbridge_are_accepted(tenant):
    event = {
        "version": "0",
        "id": "1",
        "detail-type": "Change",
        "source": "aws.ec2",
        "account": "1",
        "region": "eu",
        "resources": ["arn:1", "arn:2"],
        "detail": {"state": "up"},
    }
    rule = {
        "source": ["aws.ec2"],
        "detail-type": ["Change"],
        "resources": [{"suffix": ":2"}],
        "detail": {"state": ["up"]},
    }
    transformer = {"input_paths": {"s": "$.detail.state"}, "template": "<s>"}
    (result,) = dry_run(tenant, pattern=rule, transformer=transformer, event=event)
    assert (result["matches"], result["request"]["body"]) == (True, '"up"')


def test_binary_body_is_returned_as_base64(tenant):
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "image/png"}
    endpoint = make_endpoint(tenant, content_mode="binary")
    (result,) = dry_run(
        tenant, endpoint=endpoint.public_id, event={**event, "data_base64": base64.b64encode(b"\xff").decode()}
    )
    assert (result["request"]["body"], result["request"]["body_base64"]) == (None, "/w==")


def test_dry_run_stores_nothing(tenant):
    make_subscription(make_endpoint(tenant))
    dry_run(tenant, event=PLAIN)
    assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/event"),
        ({"event": PLAIN, "events": [PLAIN]}, "#/event"),
        ({"event": 5}, "#/event"),
        ({"event": "evt_01m83t2ghzevcannga6my0tf3k"}, "#/event"),
        ({"event": {"data": 1}}, "#/event/type"),
        ({"events": [PLAIN, {"type": "t", "id": ""}]}, "#/events/1/id"),
        ({"events": []}, "#/events"),
        ({"events": [PLAIN] * 26}, "#/events"),
        ({"event": PLAIN, "unknown": 1}, "#/unknown"),
        ({"event": PLAIN, "pattern": {"data": {"x": [{"prefix": 5}]}}}, "#/pattern/data/x/0/prefix"),
        ({"event": PLAIN, "pattern": {"detail": {"x": 5}}}, "#/pattern/detail/x"),
        ({"event": PLAIN, "transformer": {"template": "<x>"}}, "#/transformer/template"),
        ({"event": PLAIN, "event_types": ["a*"]}, "#/event_types"),
        ({"event": PLAIN, "subscription": "sub_01m83t2ghzevcannga6my0tf3k"}, "#/subscription"),
        ({"event": PLAIN, "endpoint": "unknown"}, "#/endpoint"),
    ],
    ids=ascii,
)
def test_invalid_input_names_the_field(tenant, body, pointer):
    response = make_client(tenant).post(TEST, body)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


def test_rows_of_another_tenant_are_not_found(tenant):
    theirs = make_subscription()
    for body in (
        {"event": make_event(theirs.tenant).public_id},
        {"event": PLAIN, "subscription": theirs.public_id},
        {"event": PLAIN, "endpoint": theirs.endpoint.public_id},
    ):
        assert make_client(tenant).post(TEST, body).status_code == 400


def test_dry_run_beyond_the_budget_is_a_400(tenant, monkeypatch):
    monkeypatch.setattr(dry_runs, "MAX_STEPS", 1)
    response = make_client(tenant, "read").post(TEST, {"pattern": {"data": {"total": [42]}}, "event": PLAIN})
    assert response.status_code == 400
    assert "costs too much at once" in response.json()["detail"]


MISSPELT = {"type": "order.paid", "dat": {"total": 1}, "subjet": "a"}


@pytest.mark.parametrize(("body", "path"), [({"event": MISSPELT}, "event."), ({"events": [MISSPELT]}, "events.0.")])
def test_event_with_unknown_members_names_each_and_what_was_meant(body, path):
    errors = make_client(make_tenant()).post("/api/v1/subscriptions/test/", body).json()["errors"]
    assert sorted(it["field"] for it in errors) == [f"{path}dat", f"{path}subjet"]
    assert any('did you mean "data"?' in it["detail"] for it in errors)


def test_event_has_its_extensions_in_an_object():
    event = {"type": "order.paid", "extensions": {"region": "eu"}, "data": 1}
    response = make_client(make_tenant()).post(
        "/api/v1/subscriptions/test/", {"event": event, "pattern": {"region": ["eu"]}}
    )
    assert response.json()["data"][0]["matches"]
