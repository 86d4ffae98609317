"""The maximum of endpoints per origin, and Waypost's own address."""

from typing import Any

import pytest
from django.db import transaction

from subscriptions.endpoints import endpoints
from subscriptions.endpoints.http.origins import origin_of
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


def create(tenant: Any, url: str) -> Endpoint:
    return endpoints.create_endpoint(tenant, url=url)[0]


def test_spellings_of_one_origin_count_together() -> None:
    assert {origin_of(url) for url in SPELLINGS} == {"https://example.com"}
    tenant = make_tenant()
    for url in SPELLINGS:
        create(tenant, url)
    with pytest.raises(Invalid) as error:
        create(tenant, "https://example.com/e")
    assert error.value.field == "url"
    assert Endpoint.objects.count() == 3
    create(make_tenant(), "https://example.com/e")
    create(tenant, "https://example.com:8443/e")


def test_change_of_url_counts_and_deletion_frees_a_place() -> None:
    tenant = make_tenant()
    first, *_ = [create(tenant, url) for url in SPELLINGS]
    elsewhere = create(tenant, "https://93.184.215.14/")
    with pytest.raises(Invalid):
        endpoints.change_endpoint(elsewhere, {"url": "https://example.com/e"})
    assert Endpoint.objects.get(pk=elsewhere.pk).address == "https://93.184.215.14/"
    endpoints.change_endpoint(first, {"url": "https://example.com/within"})
    endpoints.delete_endpoint(first)
    assert endpoints.change_endpoint(elsewhere, {"url": "https://example.com/e"}).http.origin == "https://example.com"


def test_addresses_in_allowed_networks_are_not_counted(settings: Any) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = ["10.1.0.0/16"]
    tenant = make_tenant()
    for path in range(5):
        create(tenant, f"https://10.1.2.3/{path}")
    settings.WAYPOST_ENDPOINTS_PER_ORIGIN = 0
    for path in range(5):
        create(tenant, f"https://example.com/{path}")


@pytest.mark.django_db(transaction=True)
def test_concurrent_creations_do_not_exceed_the_maximum(settings: Any) -> None:
    settings.WAYPOST_ENDPOINTS_PER_ORIGIN = 1
    tenant = make_tenant()

    def attempt(*_: Any) -> bool:
        try:
            with transaction.atomic():
                create(tenant, "https://example.com/a")
            return True
        except Invalid:
            return False

    in_threads(*[attempt] * 4)
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize("url", ["https://example.com/in/a/", "https://EXAMPLE.com:443/", "http://example.com:443/"])
def test_own_address_is_rejected_unless_allowed(settings: Any, url: str) -> None:
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF, settings.WAYPOST_ALLOW_HTTP = "https://example.com", False, True
    with pytest.raises(Invalid) as error:
        create(make_tenant(), url)
    assert error.value.field == "url"
    endpoint = make_endpoint(url=url)
    assert load_targets([endpoint.id])[endpoint.id].http.admits is None
    settings.WAYPOST_ALLOW_SELF = True
    assert create(make_tenant(), url)


def test_other_address_is_accepted(settings: Any) -> None:
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF = "https://waypost.example", False
    assert create(make_tenant(), "https://example.com/")
