"""Confirm the e-mail addresses of tenants: alerts are sent to those whose owners have agreed.

The link of a confirmation is signed, so it needs no row of its own. The page behind it has buttons, since mail
programs open links by themselves. The same link stops the messages.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core import signing

from delivery.models import AlertAddress, AlertMessage
from subscriptions.errors import StateConflict
from webhooks.kit.sql import database_now

SALT = "waypost.alert_address"
PATH = "alert-addresses"
ASK_EVERY = timedelta(days=1)  # for one address
MAX_ADDRESSES = 20  # of a tenant


class UnknownLink(Exception):
    """The link was not made here, or its address is gone."""


def address_of(tenant_id: UUID, email: str) -> AlertAddress:
    """Return the address of a tenant, created if it is new; its owner is asked to confirm it, once a day at most.

    Raises StateConflict if the tenant has as many as it may have.
    """
    address = AlertAddress.objects.filter(tenant=tenant_id, address=email).first()
    if address is None:
        if AlertAddress.objects.filter(tenant=tenant_id).count() >= MAX_ADDRESSES:
            raise StateConflict("channels", f"A tenant may have {MAX_ADDRESSES} e-mail addresses for alerts.")
        address = AlertAddress.objects.create(tenant_id=tenant_id, address=email)
    now = database_now()
    if address.confirmed_at is None and (address.asked_at is None or now - address.asked_at > ASK_EVERY):
        AlertAddress.objects.filter(pk=address.pk).update(asked_at=now)
        AlertMessage.objects.create(
            kind=AlertMessage.Kind.CONFIRM,
            email=email,
            title="Confirm your address for alerts",
            text=f"{address.tenant.name} wants to send alerts about its webhooks to this address.\n\n"
            f"To agree, open {link_of(address)}\n\nIf you do not know about this, do nothing.",
        )
    return address


def link_of(address: AlertAddress) -> str:
    """Return the link by which the owner of an address confirms it, and stops the messages."""
    token = signing.dumps(address.pk.hex, salt=SALT)
    return f"{settings.PUBLIC_URL}/{PATH}/{token}/"


def find_address(token: str) -> AlertAddress:
    """Return the address of a link. Raises UnknownLink."""
    try:
        key = UUID(hex=signing.loads(token, salt=SALT))
        return AlertAddress.objects.select_related("tenant").get(pk=key)
    except (signing.BadSignature, ValueError, AlertAddress.DoesNotExist):
        raise UnknownLink from None


def set_confirmed(address: AlertAddress, *, is_confirmed: bool) -> None:
    """Record that the owner agreed to get alerts, or wants none."""
    address.confirmed_at = database_now() if is_confirmed else None
    address.save(update_fields=["confirmed_at"])
