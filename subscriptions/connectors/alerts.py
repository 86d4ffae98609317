"""Make the transformers by which an endpoint that was created from a connector gets alerts."""

from typing import Any

from subscriptions.connectors.catalogue import find_connector
from subscriptions.connectors.connector import Connector
from subscriptions.connectors.fill import URL_SETTINGS, transformer_of
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint

FIRING, RESOLVED = "waypost.alert.firing", "waypost.alert.resolved"
TITLE, TEXT, BOTH = "<$.data.title>", "<$.data.message>", "<$.data.title>\n<$.data.message>"
KEY = "<$.data.rule>"  # by which the other system knows that two messages are about the same alert
VALUES = {
    "title": TITLE,
    "summary": TITLE,
    "short_description": TITLE,
    "text": TEXT,
    "description": TEXT,
    "component": "<$.data.rule_name>",
    "dedup_key": KEY,
    "alias": KEY,
    "aggregation_key": KEY,
}
"""Values of the fields of connectors that take paths, by name."""
ENDS = "resolve"  # name of the message that ends an incident, where a connector has one


def alert_transformers(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return the transformers of alerts that fire and that are resolved; empty unless it is of a connector.

    Raises Invalid for a connector whose messages need settings that are not known here: a subscription of the
    endpoint has to say what it gets.
    """
    http = getattr(endpoint, "http", None)
    connector = find_connector(http.connector) if http is not None and http.connector else None
    if connector is None:
        return {}
    settings = _settings(connector)
    ending = next((it for it in connector.messages if it.name == ENDS), connector.messages[0])
    return {
        FIRING: transformer_of(connector.messages[0], settings),
        RESOLVED: transformer_of(ending, settings),
    }


def _settings(connector: Connector) -> dict[str, Any]:
    fields = [it for it in connector.fields if not it.is_credential and it.name not in URL_SETTINGS]
    texts = [it.name for it in fields if it.takes_paths]
    settings = {it.name: it.default for it in fields if it.default is not None}
    settings |= {name: VALUES[name] for name in texts if name in VALUES}
    if "message" in texts:
        settings["message"] = TEXT if "title" in texts else BOTH
    if missing := [it.name for it in fields if it.is_required and it.name not in settings]:
        names = ", ".join(missing)
        text = (
            f"The endpoint of the connector {connector.name} needs {names}: create a subscription of it to "
            "waypost.alert.* with the transformer, and it is used."
        )
        raise Invalid("channels", text)
    return settings
