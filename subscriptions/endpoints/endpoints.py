"""Create, change and delete endpoints.

Fields are checked here, whether the REST API, the admin or a command calls; those of one kind only, by its module
(see ``kinds``). States: see ``state``.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from subscriptions.endpoints.batch import check_batch
from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.endpoints.kinds import Kind, foreign_fields, rules_of
from subscriptions.endpoints.latest_only import check_latest_only
from subscriptions.endpoints.results import check_named, forget, lock_with_naming
from subscriptions.endpoints.shaping import check_not_linked, check_shaping
from subscriptions.endpoints.signing_secrets import new_signing_secret, store_secret
from subscriptions.endpoints.state import DISABLED, UNVERIFIED, existing, set_state
from subscriptions.errors import Invalid, InvalidParts, uid_in_use
from subscriptions.models import Endpoint, OAuthToken, Tenant
from subscriptions.tenants.plans import check_endpoint_limit, check_endpoint_type
from webhooks.kit.postgresql.deadlocks import run_despite_deadlocks
from webhooks.kit.rows import unique_uid

Finish = Callable[[Endpoint], object]


def create_endpoint(
    tenant: Tenant,
    *,
    kind: str = HTTP,
    secret: str | None = None,
    signing: str | None = None,
    by_operator: bool = False,
    finish: Finish | None = None,
    **fields: Any,
) -> tuple[Endpoint, str]:
    """Create an endpoint; return it with the key its receiver verifies with: the secret (v1) or public key (v1a).

    Suspends the request while the URL's name is resolved, or while the settings of another kind are tried, so call it
    outside a transaction. ``finish`` is called with the endpoint at the end of the transaction that writes; its
    exceptions propagate, and nothing is written.

    Raises Invalid for a URL, secret or field that is not allowed, AlreadyExists for a uid in use, LimitExceeded if the
    plan allows no more or not this kind, LimitReached if the tenant has too many lookups or tests in progress.
    """
    if fields.get("state") in (DISABLED, UNVERIFIED):
        raise Invalid("state", "Must be active or paused for a new endpoint.")
    check_endpoint_type(tenant, kind)
    _check_fields_of_kind(kind, fields)
    rules = rules_of(kind)
    general, own = _split(rules, fields)
    _check_batch(general, Endpoint())
    _check_expiry(general, None)
    check_shaping(general, Endpoint(), by_operator=by_operator)
    own = rules.checked(own, tenant.pk)
    new = new_signing_secret(signing, secret)
    endpoint = Endpoint(tenant=tenant, kind=kind, **general)
    check_latest_only(endpoint.latest_only, endpoint.ordering)
    settings = rules.assign(endpoint, own)
    check_not_linked(endpoint)
    with unique_uid(uid_in_use):
        check_named(endpoint, general)
        endpoint.save(force_insert=True)
        check_endpoint_limit(tenant)
        rules.save(settings)
        store_secret(endpoint, new)
        if finish is not None:
            finish(endpoint)
    return endpoint, new.verification_key


def change_endpoint(
    endpoint: Endpoint,
    fields: dict[str, Any],
    *,
    by_operator: bool = False,
    precondition: Callable[[], None] | None = None,
    finish: Finish | None = None,
) -> Endpoint:
    """Write the given fields only; return the endpoint as it is afterwards.

    ``state``, with ``disabled_note``, changes as in ``set_state``.

    ``precondition`` is called first, inside the transaction that writes, and ``finish`` with the endpoint last; their
    exceptions propagate, and nothing is written.
    Raises as ``create_endpoint`` and ``set_state``, and Endpoint.DoesNotExist if the endpoint was deleted meanwhile.
    """
    fields = dict(fields)
    state, note = fields.pop("state", None), fields.pop("disabled_note", "")
    fields.pop("kind", None)
    if note and state is None:
        raise Invalid("disabled_note", "Must be given with the state disabled.")
    _check_fields_of_kind(endpoint.kind, fields)
    rules = rules_of(endpoint.kind)
    general, own = _split(rules, fields)
    _check_batch(general, endpoint)
    _check_expiry(general, endpoint.expires_at)
    check_shaping(general, endpoint, by_operator=by_operator)
    own = rules.checked(own, endpoint.tenant_id, endpoint)

    def write() -> None:
        with unique_uid(uid_in_use):
            if precondition is not None:
                precondition()
            check_named(endpoint, general)
            if fields:
                _update(endpoint, general, own)
            if state is not None and not ("url" in fields and state == endpoint.state):
                set_state(endpoint, state, by_operator=by_operator, note=note)
            if finish is not None:
                finish(endpoint)

    run_despite_deadlocks(write)
    return existing(endpoint).select_related("http", "destination").get()


def delete_endpoint(endpoint: Endpoint) -> None:
    """Delete the endpoint, its subscriptions, secrets and OAuth token, and free its uid. Idempotent.

    The row stays for the history of its deliveries.
    """
    with transaction.atomic():
        lock_with_naming(endpoint)
        if existing(endpoint).update(deleted_at=timezone.now()):
            forget(endpoint)
            endpoint.subscriptions.all().delete()
            endpoint.secrets.all().delete()
            OAuthToken.objects.filter(endpoint=endpoint.pk).delete()


def _check_fields_of_kind(kind: str, fields: Mapping[str, Any]) -> None:
    """Raise InvalidParts for fields that only endpoints of other kinds have."""
    if foreign := sorted(fields.keys() & foreign_fields(kind)):
        other = "another type than http" if kind == HTTP else f"the type {HTTP}"
        text = f"Only endpoints of {other} have it; the type of this one is {kind}."
        raise InvalidParts(dict.fromkeys(foreign, text))


def _split(rules: Kind, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields that endpoints of every kind have, and those of this kind."""
    own = {name: value for name, value in fields.items() if name in rules.FIELDS}
    return {name: value for name, value in fields.items() if name not in own}, own


def _check_batch(fields: dict[str, Any], stored: Endpoint) -> None:
    """Add the defaults to ``batch``. Raises Invalid, also for an endpoint that may send one event at a time only."""
    if "batch" in fields:
        fields["batch"] = check_batch(fields["batch"])
    batch, ordering = fields.get("batch", stored.batch), fields.get("ordering", stored.ordering)
    if batch is not None and ordering == Endpoint.Ordering.ENDPOINT and fields.keys() & {"batch", "ordering"}:
        raise Invalid("batch", "Must be null with the ordering endpoint, which sends one event after the other.")


def _check_expiry(fields: Mapping[str, Any], stored: datetime | None) -> None:
    """Raise Invalid for a new expiry that is in the past."""
    expires_at = fields.get("expires_at")
    if expires_at is not None and expires_at != stored and expires_at <= timezone.now():
        raise Invalid("expires_at", "Must be in the future.")


def _update(endpoint: Endpoint, general: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    row = existing(endpoint).select_for_update().get()  # without its settings: they are read after the lock is taken
    for name, value in general.items():
        setattr(row, name, value)
    check_latest_only(row.latest_only, row.ordering)
    rules = rules_of(row.kind)
    settings = rules.assign(row, own) if own else None
    check_not_linked(row)
    row.save()
    if settings is not None:
        rules.save(settings)
