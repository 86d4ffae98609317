"""One of every kind of thing that the API speaks of, for one tenant; and which kind an address asks for.

Whoever adds a resource adds a line here: the walk fails and says so until then. A new address below a resource that
is known is walked without any change.
"""

from collections.abc import Callable

from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_endpoint, make_event_type, make_key, make_plan, make_subscription
from tests.factories_receiver import make_receipt, make_source
from webhooks.models import Rejection, Source, SourceSecret


class Things:
    """What one tenant has, each made when it is first asked for, by its public id."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._made: dict[str, str] = {}

    def named_in(self, path: str) -> dict[str, str]:
        """What to put into the ``{names}`` of an address: the id of a thing of the kind that the steps before say."""
        steps = path.removeprefix("/api/v1").strip("/").split("/")
        return {
            step.strip("{}"): self.a(kind_of(steps[:place])) for place, step in enumerate(steps) if step.startswith("{")
        }

    def a(self, kind: str) -> str:
        """The id of one such thing."""
        assert kind in MAKE, f"tests/api/things.py has to say how one of {kind!r} is made"
        if kind not in self._made:
            self._made[kind] = MAKE[kind](self)
        return self._made[kind]

    def all(self) -> set[str]:
        """The ids of one of each kind."""
        return {self.a(kind) for kind in MAKE}

    # What others below it are made of.

    def endpoint(self) -> Endpoint:
        return Endpoint.objects.filter(tenant=self.tenant).first() or make_endpoint(self.tenant)

    def source(self) -> Source:
        found = Source.objects.filter(tenant_id=self.tenant.pk).first()
        return found or make_source(tenant_id=self.tenant.pk)


def kind_of(steps: list[str]) -> str:
    """The resource that an id below these steps is one of."""
    return "/".join(step for step in steps if not step.startswith("{"))


def _secret(of: Things) -> str:
    found = SourceSecret.objects.filter(source=of.source()).first()
    assert found
    return found.public_id


def _plan(of: Things) -> str:
    of.tenant.plan = make_plan()
    of.tenant.save()
    return of.tenant.plan.public_id


MAKE: dict[str, Callable[[Things], str]] = {
    "tenants": lambda of: of.tenant.public_id,
    "plans": _plan,
    "keys": lambda of: make_key(of.tenant)[0].public_id,
    "endpoints": lambda of: of.endpoint().public_id,
    "subscriptions": lambda of: make_subscription(of.endpoint()).public_id,
    "event-types": lambda of: make_event_type(of.tenant).public_id,
    "events": lambda of: make_event(of.tenant).public_id,
    "deliveries": lambda of: (
        make_attempt(make_delivery(make_event(of.tenant), of.endpoint(), state="delivered")).delivery.public_id
    ),
    "dead-letters": lambda of: make_dead_letter(make_delivery(make_event(of.tenant), of.endpoint())).public_id,
    "replays": lambda of: make_replay(of.tenant).public_id,
    "sources": lambda of: of.source().public_id,
    "sources/secrets": _secret,
    "receipts": lambda of: make_receipt(of.source()).public_id,
    "rejections": lambda of: Rejection.objects.create(source=of.source(), reason="signature", size=2).public_id,
}
