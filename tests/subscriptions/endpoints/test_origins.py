"""So many endpoints at one victim and no more; and none at ourselves."""

from typing import Any

import pytest
from django.db import transaction

from subscriptions.endpoints import endpoints
from subscriptions.endpoints.origins import origin_of
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from subscriptions.routing.targets import load_targets
from tests.factories import make_endpoint, make_tenant
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

SPELLINGS = ["https://example.com/a", "https://EXAMPLE.com:443/b?c", "https://example.com./d"]


@pytest.fixture(autouse=True)
def three(names: None, settings: Any) -> None:
    settings.WAYPOST_ENDPOINTS_PER_ORIGIN = 3


def made(tenant: Any, url: str) -> Endpoint:
    return endpoints.create_endpoint(tenant, url=url)[0]


def test_however_it_is_spelled_it_counts_as_one() -> None:
    assert {origin_of(url) for url in SPELLINGS} == {"https://example.com"}
    tenant = make_tenant()
    for url in SPELLINGS:
        made(tenant, url)
    with pytest.raises(Invalid) as refusal:
        made(tenant, "https://example.com/e")
    assert refusal.value.field == "url"
    assert Endpoint.objects.count() == 3
    made(make_tenant(), "https://example.com/e")
    made(tenant, "https://example.com:8443/e")


def test_nobody_moves_there_either_and_who_leaves_makes_room() -> None:
    tenant = make_tenant()
    first, *_ = [made(tenant, url) for url in SPELLINGS]
    elsewhere = made(tenant, "https://93.184.215.14/")
    with pytest.raises(Invalid):
        endpoints.change_endpoint(elsewhere, {"url": "https://example.com/e"})
    assert Endpoint.objects.get(pk=elsewhere.pk).url == "https://93.184.215.14/"
    endpoints.change_endpoint(first, {"url": "https://example.com/within"})
    endpoints.delete_endpoint(first)
    assert endpoints.change_endpoint(elsewhere, {"url": "https://example.com/e"}).origin == "https://example.com"


def test_the_operators_own_addresses_are_not_counted(settings: Any) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = ["10.1.0.0/16"]
    tenant = make_tenant()
    for path in range(5):
        made(tenant, f"https://10.1.2.3/{path}")
    settings.WAYPOST_ENDPOINTS_PER_ORIGIN = 0
    for path in range(5):
        made(tenant, f"https://example.com/{path}")


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_is_the_last(settings: Any) -> None:
    settings.WAYPOST_ENDPOINTS_PER_ORIGIN = 1
    tenant = make_tenant()

    def attempt(*_: Any) -> bool:
        try:
            with transaction.atomic():
                made(tenant, "https://example.com/a")
            return True
        except Invalid:
            return False

    in_threads(*[attempt] * 4)
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize("url", ["https://example.com/in/a/", "https://EXAMPLE.com:443/", "http://example.com:443/"])
def test_we_are_no_target_of_ours(settings: Any, url: str) -> None:
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF, settings.WAYPOST_ALLOW_HTTP = "https://example.com", False, True
    with pytest.raises(Invalid) as refusal:
        made(make_tenant(), url)
    assert refusal.value.field == "url"
    endpoint = make_endpoint(url=url)
    assert load_targets([endpoint.id])[endpoint.id].admits is None
    settings.WAYPOST_ALLOW_SELF = True
    assert made(make_tenant(), url)


def test_another_host_is(settings: Any) -> None:
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF = "https://waypost.example", False
    assert made(make_tenant(), "https://example.com/")
