"""Create an endpoint from a connector, with the subscriptions that send its messages."""

from collections.abc import Mapping, Sequence
from typing import Any

from subscriptions.connectors.connector import Connector
from subscriptions.connectors.fill import Filled, fill, own_transformer
from subscriptions.endpoints.endpoints import create_endpoint
from subscriptions.endpoints.http.credentials import check_auth
from subscriptions.errors import AlreadyExists, Invalid, InvalidParts, StateConflict
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.subscriptions import set_subscriptions
from subscriptions.routing.transformer_conflicts import check_labels


def create_from_connector(
    tenant: Tenant,
    connector: Connector,
    *,
    settings: Mapping[str, Any],
    credentials: Mapping[str, Any],
    subscriptions: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> tuple[Endpoint, str]:
    """Create an endpoint; return it with the key that verifies its deliveries, as ``create_endpoint`` does.

    ``subscriptions``: event types, pattern and so on, and ``message``, the name of the connector's message that the
    events become; the first one by default. With a ``transformer`` that one makes the body, in place of the message's.
    ``fields``: others of the endpoint. Suspends the request as ``create_endpoint`` does, so call it outside a
    transaction.

    Raises InvalidParts for settings and credentials that cannot be used, Invalid for an unknown message, and what
    ``create_endpoint`` and ``set_subscriptions`` raise.
    """
    filled = fill(connector, settings, credentials)
    wanted = [_subscription(connector, filled, it, place) for place, it in enumerate(subscriptions)]

    def finish(endpoint: Endpoint) -> None:
        set_subscriptions(endpoint, wanted)
        if fields.get("labels"):
            check_labels(endpoint)

    try:
        if filled.auth:
            check_auth(filled.auth)
        own = {**filled.endpoint_fields, "connector": connector.name}
        return create_endpoint(tenant, finish=finish, **own, **fields)
    except (AlreadyExists, StateConflict, InvalidParts):
        raise
    except Invalid as error:
        raise _of_setting(connector, error) from None


def _subscription(connector: Connector, filled: Filled, given: Mapping[str, Any], place: int) -> dict[str, Any]:
    fields = {name: value for name, value in given.items() if name not in ("message", "transformer")}
    try:
        message = connector.message(given.get("message") or "")
    except KeyError:
        names = ", ".join(it.name for it in connector.messages)
        raise Invalid("subscriptions", f"message: must be one of: {names}.", f"/{place}/message") from None
    own = given.get("transformer")
    made = filled.transformers[message.name] if own is None else own_transformer(message, own)
    return {**fields, "transformer": made}


def _of_setting(connector: Connector, error: Invalid) -> Invalid:
    """Return the error of a field of the endpoint as that of the setting or credential that it was made of."""
    names = [it.name for it in connector.fields]
    if error.field == "url":
        url = "base_url" if "base_url" in names else "url"
        return InvalidParts({f"settings.{url}": error.message})
    return InvalidParts({"credentials": error.message}) if error.field in ("auth", "headers") else error
