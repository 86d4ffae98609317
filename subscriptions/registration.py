"""Register customers and their endpoints from Python, in a project that installs the provider as apps.

    tenant = ensure_tenant("acme", name="Acme Inc.")          one tenant for each customer of the project
    endpoint, secret = register_endpoint(tenant, "https://acme.example/hooks", event_types=["order.*"])

Fields are checked as the REST API checks them. To change, pause or delete an endpoint, or rotate its secret, call
``subscriptions.endpoints``.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError

from subscriptions.endpoints.endpoints import create_endpoint
from subscriptions.endpoints.http.certificates import check_tls
from subscriptions.endpoints.http.credentials import check_auth
from subscriptions.endpoints.http.encrypted_fields import FIELDS as ENCRYPTED
from subscriptions.errors import AlreadyExists, Invalid
from subscriptions.models import Endpoint, HttpSettings, Tenant
from subscriptions.routing.subscriptions import set_subscriptions
from subscriptions.routing.transformer_conflicts import check_labels
from subscriptions.tenants.tenants import create_tenant
from subscriptions.validation import (
    check_event_types,
    check_headers,
    check_metadata,
    check_name,
    check_pattern,
    check_text,
    check_transformer,
    check_uid,
)


def ensure_tenant(uid: str, *, name: str = "") -> Tenant:
    """Return the tenant with this uid, the project's own id of the customer; create it if there is none.

    ``name`` is shown in lists (default: the uid). Raises Invalid for a uid or name that is not allowed.
    """
    check_uid(Tenant.prefix, uid)
    check_name(name or uid)
    rows = Tenant.objects.filter(uid=uid, deleted_at=None)
    try:
        return rows.first() or create_tenant(name or uid, uid=uid)
    except AlreadyExists:  # another process has created it meanwhile
        return rows.get()


def register_endpoint(
    tenant: Tenant,
    url: str,
    *,
    event_types: Sequence[str],
    pattern: Mapping[str, Any] | None = None,
    transformer: Mapping[str, Any] | None = None,
    **fields: Any,
) -> tuple[Endpoint, str]:
    """Create an endpoint that gets these event types; return it with the secret that its receiver verifies with.

    ``event_types``: exact names, ``order.*`` for all below order, or ``*`` for all. ``pattern`` and ``transformer`` are
    those of its subscription, ``fields`` those of the endpoint: ``uid``, ``secret``, ``headers``, ``auth``,
    ``rate_limit``, ``ordering``, ``retry_plan``, ...

    Resolves the host name of the URL, so call it outside a transaction. Raises Invalid for a URL or field that is not
    allowed, AlreadyExists for a uid in use, LimitExceeded if the plan allows no more.
    """
    subscription = {"event_types": list(dict.fromkeys(event_types)), "pattern": pattern, "transformer": transformer}
    _check(fields, subscription)

    def finish(endpoint: Endpoint) -> None:
        set_subscriptions(endpoint, [subscription])
        check_labels(endpoint)

    return create_endpoint(tenant, url=url, finish=finish, **fields)


_CHECKS: dict[str, Callable[[Any], None]] = {
    "event_types": check_event_types,
    "pattern": check_pattern,
    "transformer": check_transformer,
    "uid": partial(check_uid, Endpoint.prefix),
    "description": partial(check_text, "description"),
    "metadata": check_metadata,
    "headers": check_headers,
    "auth": check_auth,
    "tls": check_tls,
}


def _check(fields: Mapping[str, Any], subscription: Mapping[str, Any]) -> None:
    for name, value in {**subscription, **fields}.items():
        if name in _CHECKS and value is not None:
            _CHECKS[name](value)
    _check_columns(fields)


def _check_columns(fields: Mapping[str, Any]) -> None:
    """Raise Invalid for an unknown field, and for a value that its column does not allow."""
    columns = {
        it.name: it
        for model in (Endpoint, HttpSettings)
        for it in model._meta.concrete_fields
        if it.editable and it.name not in ("id", "tenant", "endpoint", "url")
    }
    elsewhere = {"secret", "signing", "batch", *ENCRYPTED}  # checked where they are stored
    for name in fields.keys() - columns.keys() - elsewhere:
        raise Invalid(name, f"Is no field of an endpoint; those are {', '.join(sorted({*columns, *elsewhere}))}.")
    for name in fields.keys() & columns.keys() - elsewhere:
        try:
            columns[name].clean(fields[name], None)
        except ValidationError as error:
            raise Invalid(name, " ".join(error.messages)) from None
