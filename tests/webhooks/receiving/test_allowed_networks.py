"""Test that a source accepts messages from its networks only, and knows its clients behind proxies."""

import pytest
from django.test import Client

from tests.factories_receiver import make_source, signed
from tests.webhooks.receiving.shells import post
from webhooks.models import Receipt, Rejection
from webhooks.receiving.rejections import reset_samples
from webhooks.testing import send

pytestmark = pytest.mark.django_db
BODY = b'{"type":"a.b"}'


@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize(("address", "status"), [("192.0.2.7", 202), ("2001:db8::7", 202), ("198.51.100.1", 403)])
def test_message_from_outside_of_the_networks_is_403_and_a_rejection(address: str, status: int) -> None:
    reset_samples()
    source = make_source(allowed_networks=["192.0.2.0/24", "2001:db8::/32"])
    assert post(source, BODY, signed(BODY), remote_address=address).status_code == status
    assert [rejection.reason for rejection in Rejection.objects.all()] == ["foreign_address"] * (status == 403)


@pytest.mark.usefixtures("shell")
def test_networks_are_compared_with_the_client_behind_a_trusted_proxy(settings) -> None:
    settings.WAYPOST_TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.WAYPOST_DROPS_UNDERSCORES = True
    source = make_source(allowed_networks=["192.0.2.0/24"])
    headers = {**signed(BODY), "X-Forwarded-For": "198.51.100.1, 192.0.2.7"}
    assert post(source, BODY, headers, remote_address="10.0.0.1").status_code == 202
    assert post(source, BODY, headers, remote_address="192.0.3.1").status_code == 403


@pytest.mark.parametrize(("drops", "shown"), [(True, "192.0.2.7"), (False, "10.0.0.1")])
def test_rejection_in_another_project_has_the_address_of_the_client(settings, drops: bool, shown: str) -> None:
    reset_samples()
    settings.WAYPOST_TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.WAYPOST_DROPS_UNDERSCORES = drops  # a server that keeps them would let a client forge the header
    source = make_source()
    more = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}
    assert Client().post(f"/in/{source.public_id}/", BODY, "application/json", **more).status_code == 401
    assert Rejection.objects.get().remote_address == shown


def test_test_messages_are_sent_whatever_the_networks() -> None:
    source = make_source(allowed_networks=["127.0.0.1"])
    assert send(source).status_code == 202
    assert Receipt.objects.count() == 1
