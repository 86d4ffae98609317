"""Test from whom a client certificate in a header is accepted, at the inbound view."""

from typing import Any

import pytest
from django.test import Client

from tests.factories_receiver import make_source
from webhooks.models import Rejection, Source
from webhooks.receiving.django_request import OWN_SERVER

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

FORGED = {"HTTP_X_SUBJECT": "CN=shop"}  # what WSGI makes of X-Subject and of X_Subject alike


@pytest.fixture
def source(settings: Any) -> Source:
    settings.WAYPOST_TRUSTED_PROXIES = ["127.0.0.0/8"]
    return make_source(scheme="mtls", secret="CN=shop", options={"form": "subject", "header": "X-Subject"})


def post(source: Source, **environ: Any) -> int:
    return Client().post(f"/in/{source.public_id}/", b"{}", "application/json", **{**FORGED, **environ}).status_code


def test_header_is_rejected_where_the_server_may_keep_names_with_underscores(source: Source) -> None:
    assert post(source) == 401
    rejection = Rejection.objects.get()
    assert (rejection.reason, "forged" in rejection.detail) == ("untrusted_proxy", True)


def test_header_is_accepted_from_a_trusted_proxy_if_the_operator_says_that_the_server_drops_them(
    source: Source, settings: Any
) -> None:
    settings.WAYPOST_DROPS_UNDERSCORES = True
    assert post(source, HTTP_X_SUBJECT="CN=other") == 401
    assert post(source) == 202
    assert post(source, REMOTE_ADDR="192.0.2.1") == 401
    settings.WAYPOST_TRUSTED_PROXIES = []
    assert post(source) == 401


@pytest.mark.parametrize(("says", "status"), [(True, 202), (False, 401)])
def test_our_own_server_decides_for_its_requests(source: Source, settings: Any, says: bool, status: int) -> None:
    settings.WAYPOST_DROPS_UNDERSCORES = True
    assert post(source, **{OWN_SERVER: says}) == status


def test_client_cannot_say_that_it_is_our_server(source: Source) -> None:
    headers = {"X-Subject": "CN=shop", OWN_SERVER: "1", "Waypost.Is_Proxied": "1"}
    assert Client().post(f"/in/{source.public_id}/", b"{}", "application/json", headers=headers).status_code == 401
