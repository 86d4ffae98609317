"""Create, change and delete endpoints.

URLs and secrets are checked here, whether the REST API, the admin or a command calls. States: see ``state``.
"""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from subscriptions.endpoints import encrypted_fields, verification
from subscriptions.endpoints.origins import check_endpoints_per_origin, origin_of
from subscriptions.endpoints.signing_secrets import new_signing_secret, store_secret
from subscriptions.endpoints.state import DISABLED, UNVERIFIED, existing, set_state
from subscriptions.endpoints.url_check import check_url
from subscriptions.errors import Invalid, uid_in_use
from subscriptions.models import Endpoint, OAuthToken, Tenant
from subscriptions.tenants.plans import check_endpoint_limit
from webhooks.kit.uids import unique_uid


def create_endpoint(
    tenant: Tenant, *, url: str, secret: str | None = None, signing: str | None = None, **fields: Any
) -> tuple[Endpoint, str]:
    """Create an endpoint; return it with the key its receiver verifies with: the secret (v1) or public key (v1a).

    Resolves the URL's name in the DNS, so call it outside a transaction that holds row locks. Raises Invalid for a URL,
    secret or field that is not allowed, AlreadyExists for a uid in use, LimitExceeded if the plan allows no more.
    """
    if fields.get("state") in (DISABLED, UNVERIFIED):
        raise Invalid("state", "Must be active or paused for a new endpoint.")
    check_url(url)
    new = new_signing_secret(signing, secret)
    endpoint = Endpoint(tenant=tenant)
    _assign(endpoint, {"url": url, **fields})
    with unique_uid(uid_in_use):
        endpoint.save(force_insert=True)
        check_endpoint_limit(tenant)
        check_endpoints_per_origin(endpoint)
        store_secret(endpoint, new)
    return endpoint, new.verification_key


def change_endpoint(
    endpoint: Endpoint,
    fields: dict[str, Any],
    *,
    by_operator: bool = False,
    precondition: Callable[[], None] | None = None,
) -> Endpoint:
    """Write the given fields only; return the endpoint as it is afterwards. ``state`` changes as in ``set_state``.

    ``precondition`` is called first, inside the transaction that writes; its exceptions propagate.
    Raises as ``create_endpoint`` and ``set_state``, and Endpoint.DoesNotExist if the endpoint was deleted meanwhile.
    """
    fields = dict(fields)
    state = fields.pop("state", None)
    if "url" in fields:
        check_url(fields["url"])
    with unique_uid(uid_in_use):
        if precondition is not None:
            precondition()
        if fields:
            _update(endpoint, fields)
        if state is not None and not ("url" in fields and state == endpoint.state):
            set_state(endpoint, state, by_operator=by_operator)
    return existing(endpoint).get()


def delete_endpoint(endpoint: Endpoint) -> None:
    """Delete the endpoint, its subscriptions, secrets and OAuth token, and free its uid. Idempotent.

    The row stays for the history of its deliveries.
    """
    with transaction.atomic():
        if existing(endpoint).update(deleted_at=timezone.now()):
            endpoint.subscriptions.all().delete()
            endpoint.secrets.all().delete()
            OAuthToken.objects.filter(endpoint=endpoint.pk).delete()


def _update(endpoint: Endpoint, fields: dict[str, Any]) -> None:
    row = existing(endpoint).select_for_update().get()
    origin, url = row.origin, row.url
    _assign(row, fields)
    if row.url != url:
        row.url_changed_at = Now()
    row.save()
    if row.origin != origin:
        check_endpoints_per_origin(row)


def _assign(row: Endpoint, fields: dict[str, Any]) -> None:
    """Set the fields of a row in memory; encrypt headers, auth and tls; reset the verification if the URL changes."""
    confidential = {name: fields.pop(name) for name in encrypted_fields.FIELDS if name in fields}
    if fields.get("url", row.url) != row.url:
        row.origin = origin_of(fields["url"])
        row.state = fields.get("state", row.state)
        verification.reset(row)
        fields = {name: value for name, value in fields.items() if name != "state"}
    for name, value in fields.items():
        setattr(row, name, value)
    if confidential:
        changed = encrypted_fields.apply_changes(row, confidential)
        for name, value in encrypted_fields.to_columns(changed).items():
            setattr(row, name, value)
    if row.tls and row.url[:5].lower() == "http:":
        raise Invalid("tls", "Requires an https URL.")
