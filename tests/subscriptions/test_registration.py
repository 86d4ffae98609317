"""Test registering customers and their endpoints from Python."""

from typing import Any

import pytest

from subscriptions import registration
from subscriptions.errors import AlreadyExists, Invalid, LimitExceeded
from subscriptions.models import Endpoint, Subscription, Tenant
from subscriptions.registration import ensure_tenant, register_endpoint
from tests.factories import make_plan, make_tenant

pytestmark = pytest.mark.django_db

URL = "https://93.184.216.34/hooks"  # a literal address, so that no name is looked up


def test_tenant_of_a_uid_is_created_once() -> None:
    first, second = ensure_tenant("acme", name="Acme Inc."), ensure_tenant("acme")
    assert (first.pk, first.name, Tenant.objects.count()) == (second.pk, "Acme Inc.", 1)
    assert ensure_tenant("other").name == "other"


def test_tenant_that_another_process_creates_meanwhile_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    def create_too_late(name: str, uid: str) -> Tenant:
        make_tenant(uid=uid)
        raise AlreadyExists("uid", "")

    monkeypatch.setattr(registration, "create_tenant", create_too_late)
    assert ensure_tenant("acme") == Tenant.objects.get(uid="acme")


@pytest.mark.parametrize("uid", ["", "a b", "tnt_01m841pajgekhbvnh13ekqw39a"])
def test_uid_that_is_not_allowed_is_refused(uid: str) -> None:
    with pytest.raises(Invalid):
        ensure_tenant(uid)


def test_endpoint_is_created_with_its_subscription() -> None:
    tenant = make_tenant()
    pattern = {"data": {"total": [{"numeric": [">", 100]}]}}
    endpoint, secret = register_endpoint(
        tenant, URL, event_types=["order.*", "order.*"], pattern=pattern, uid="shop", rate_limit=5, headers={"X-A": "b"}
    )
    (subscription,) = Subscription.objects.filter(endpoint=endpoint)
    assert (subscription.tenant, subscription.event_types, subscription.pattern) == (tenant, ["order.*"], pattern)
    assert (endpoint.uid, endpoint.rate_limit, endpoint.http.url, secret[:6]) == ("shop", 5, URL, "whsec_")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"event_types": []}, "event_types"),
        ({"event_types": ["*.paid"]}, "event_types"),
        ({"pattern": {"data": {"total": 5}}}, "pattern"),
        ({"transformer": {"body": ""}}, "transformer"),
        ({"uid": "a b"}, "uid"),
        ({"headers": {"Host": "a"}}, "headers"),
        ({"auth": {"type": "kerberos"}}, "auth"),
        ({"tls": {"ca": "no PEM"}}, "tls"),
        ({"timeout_ms": 5}, "timeout_ms"),
        ({"ordering": "colour"}, "ordering"),
        ({"content_mode": "xml"}, "content_mode"),
        ({"retry_plan": [0]}, "retry_plan"),
        ({"timeout": 5}, "timeout"),
        ({"version": 7}, "version"),
        ({"url": "ftp://example.com"}, "url"),
    ],
)
def test_field_that_is_not_allowed_is_named_and_nothing_is_created(fields: dict[str, Any], field: str) -> None:
    given = {"event_types": ["*"], "url": URL, **fields}
    with pytest.raises(Invalid) as caught:
        register_endpoint(make_tenant(), given.pop("url"), **given)
    assert (caught.value.field, Endpoint.objects.count()) == (field, 0)


def test_endpoint_whose_subscription_the_plan_does_not_allow_is_deleted() -> None:
    tenant = make_tenant(plan=make_plan(max_subscriptions=0))
    with pytest.raises(LimitExceeded):
        register_endpoint(tenant, URL, event_types=["*"])
    assert not Endpoint.objects.filter(deleted_at=None).exists()
