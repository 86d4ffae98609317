"""Make operators, and rows for their pages."""

from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client

from delivery.models import DeadLetter
from subscriptions.models import Tenant
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant

HOSTILE = "<script>alert(1)</script>"
CHANGELISTS = ("event", "delivery", "deadletter", "replay", "lane")


def operator(*permissions: str) -> Client:
    """Log in an operator who may view everything of delivery, with these permissions besides."""
    user = User.objects.create_user("ops", password="x" * 12, is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="delivery", codename__startswith="view_")
        | Permission.objects.filter(content_type__app_label="delivery", codename__in=permissions)
    )
    client = Client()
    client.force_login(user)
    return client


def make_letter(tenant: Tenant | None = None, **changes: Any) -> DeadLetter:
    """Make a dead letter with one failed attempt."""
    endpoint = make_endpoint(tenant or make_tenant())
    delivery = make_delivery(make_event(endpoint.tenant, data={"note": HOSTILE}), endpoint, attempts=1)
    make_attempt(delivery, status=503, response=HOSTILE.encode())
    return make_dead_letter(delivery, **changes)
