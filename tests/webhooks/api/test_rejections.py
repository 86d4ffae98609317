"""Test rejections over REST."""

import pytest
from django.test import Client

from subscriptions.models import Tenant
from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_source, signed
from tests.routes import ApiRoute, RouteCases
from webhooks.models import Rejection
from webhooks.receiving.verification import REFUSALS, status_and_reason
from webhooks.wire.errors import NoMatchingSignature, SignatureError

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

API = "/api/v1"
BODY = b'{"type":"a.b"}'


@pytest.mark.usefixtures("receiver", "rules")
class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "rejections/", "read", 200),
        ApiRoute("get", "rejections/{rejection}/", "read", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        source = make_source(tenant_id=tenant.pk)
        return {"rejection": Rejection.objects.create(source=source, reason="x", size=0).public_id}


def test_rejection_shows_its_reason_and_masks_credentials() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    headers = signed(b"other") | {"authorization": "Bearer hush"}
    Client().post(f"/in/{source.public_id}/", BODY, "application/json", headers=headers)
    shown = make_client(tenant).get(f"{API}/rejections/?reason=no_match").json()["data"]
    assert shown[0]["headers"]["authorization"] == "[removed]"
    assert shown[0]["source"] == source.public_id


def test_unknown_reason_is_a_400_that_lists_those_that_exist() -> None:
    client = make_client(make_tenant())
    refused = client.get(f"{API}/rejections/?reason=no_mach")
    assert refused.status_code == 400
    (error,) = refused.json()["errors"]
    assert error["field"] == "reason"
    assert {"no_match", "stale_timestamp", "too_large", "challenge", "other_content"} <= set(
        error["detail"].removeprefix("Must be one of: ").removesuffix(".").split(", ")
    )


def test_every_reason_that_is_recorded_can_be_filtered_by() -> None:
    client = make_client(make_tenant())
    refusals = [it("") if issubclass(it, SignatureError) else it() for it in REFUSALS if it is not SignatureError]
    reasons = {status_and_reason(it)[1] for it in [*refusals, NoMatchingSignature()]}
    for reason in reasons:
        assert client.get(f"{API}/rejections/?reason={reason}").status_code == 200
