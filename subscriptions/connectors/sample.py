"""Show the request of a connector's sample, with its credentials masked, for people who fill in its form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from subscriptions.connectors.connector import Connector
from subscriptions.connectors.fill import MASK, Filled, fill_masked
from subscriptions.endpoints.http.credentials import auth_header, body_member, client_credentials
from subscriptions.routing.compiled_patterns import compile_transformer
from webhooks.wire.transform import Unrenderable


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Hold what one message of a connector sends: ``headers`` without those that every delivery has."""

    label: str
    url: str
    headers: Mapping[str, str]
    body: str


def sample_requests(connector: Connector, settings: Mapping[str, Any]) -> list[SampleRequest]:
    """Return the request of each message for the sample of the connector. Raises InvalidParts for wrong settings."""
    filled = fill_masked(connector, settings)
    headers = {**filled.headers, **dict.fromkeys(_auth_headers(filled), MASK)}
    return [
        SampleRequest(
            it.label, filled.url, {"content-type": it.content_type, **headers}, _body(connector, filled, it.name)
        )
        for it in connector.messages
    ]


def _auth_headers(filled: Filled) -> list[str]:
    return ["authorization"] if client_credentials(filled.auth) else [*auth_header(filled.auth)]


def _body(connector: Connector, filled: Filled, message: str) -> str:
    try:
        body = json.loads(compile_transformer(filled.transformers[message]).render(dict(connector.sample)))
    except Unrenderable as error:
        return str(error)
    member = body_member(filled.auth)
    shown = {member[0]: MASK, **body} if member else body
    return json.dumps(shown, indent=2, ensure_ascii=False)
