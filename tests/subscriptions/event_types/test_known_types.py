"""Test that the type meant by a misspelt one is found among thousands, without comparing it with each of them."""

from collections.abc import Collection

import pytest

from subscriptions.event_types import known_types
from subscriptions.event_types.known_types import NEIGHBOURS, is_known, resembling
from subscriptions.event_types.models import EventType
from subscriptions.event_types.operational import TYPES
from subscriptions.models import Tenant
from tests.factories import make_event_type, make_tenant
from webhooks.wire import errors

pytestmark = pytest.mark.django_db

MANY = 2_000


@pytest.fixture
def tenant() -> Tenant:
    tenant = make_tenant()
    names = ["invoice.paid", "Order.Shipped", *(f"order.n{number:04}.changed" for number in range(MANY))]
    EventType.objects.bulk_create(EventType(tenant=tenant, name=name, examples_text="[]") for name in names)
    make_event_type(name="user.created")
    return tenant


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("invoice.piad", "invoice.paid"),
        ("invoice.pai", "invoice.paid"),
        ("nvoice.paid", "invoice.paid"),
        ("invoices.paid", "invoice.paid"),
        ("order.shipped", "Order.Shipped"),
        ("user.craeted", "user.created"),
        ("xuser.created", "user.created"),
        ("waypost.delivery.ded", "waypost.delivery.dead"),
    ],
)
def test_misspelt_name_is_recognized_among_many(tenant: Tenant, name: str, meant: str) -> None:
    assert not is_known(tenant.pk, name)
    assert resembling(tenant.pk, name) == f'did you mean "{meant}"?'


@pytest.mark.parametrize("name", ["zzz", "", "0", "order.n9999.changed" * 4, "\U0010ffff" * 9])
def test_name_that_resembles_none_has_no_suggestion(tenant: Tenant, name: str) -> None:
    assert resembling(tenant.pk, name) == ""


def test_name_is_compared_with_few_names(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counted(name: str, known: Collection[str]) -> str:
        compared.append(len(known))
        return errors.did_you_mean(name, known)

    monkeypatch.setattr(known_types, "did_you_mean", counted)
    for number in range(0, MANY, 100):
        resembling(tenant.pk, f"order.n{number:04}x.changed")
    assert len(compared) == MANY / 100
    assert max(compared) <= len(TYPES) + 8 * NEIGHBOURS


def test_names_of_another_tenant_are_neither_known_nor_suggested(tenant: Tenant) -> None:
    other = make_tenant()
    assert is_known(tenant.pk, "invoice.paid")
    assert not is_known(other.pk, "invoice.paid")
    assert resembling(other.pk, "invoice.piad") == ""
