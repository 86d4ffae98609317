"""Show the request of a connector's sample, with its credentials masked, for people who fill in its form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from subscriptions.connectors.connector import Connector
from subscriptions.connectors.fill import MASK, Filled, fill_masked, own_transformer
from subscriptions.endpoints.http.credentials import auth_header, body_member, client_credentials
from subscriptions.routing.compiled_patterns import compile_transformer
from webhooks.wire.transform import Unrenderable

NO_TRANSFORMERS: Mapping[str, Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Hold what one message of a connector sends: ``headers`` without those that every delivery has."""

    label: str
    url: str
    headers: Mapping[str, str]
    body: str


def sample_requests(
    connector: Connector, settings: Mapping[str, Any], transformers: Mapping[str, Mapping[str, Any]] = NO_TRANSFORMERS
) -> list[SampleRequest]:
    """Return the request of each message for the sample of the connector.

    ``transformers``: by the name of a message, those that make the body in its place. Raises InvalidParts for wrong
    settings, EvaluatorUnavailable for a JSONata expression.
    """
    filled = fill_masked(connector, settings)
    own = {it.name: own_transformer(it, transformers[it.name]) for it in connector.messages if it.name in transformers}
    made = {**filled.transformers, **own}
    headers = {**filled.headers, **dict.fromkeys(_auth_headers(filled), MASK)}
    return [
        SampleRequest(
            it.label,
            filled.url,
            {"content-type": made[it.name]["content_type"], **headers},
            _body(connector, filled, made[it.name]),
        )
        for it in connector.messages
    ]


def _auth_headers(filled: Filled) -> list[str]:
    return ["authorization"] if client_credentials(filled.auth) else [*auth_header(filled.auth)]


def _body(connector: Connector, filled: Filled, transformer: Mapping[str, Any]) -> str:
    """Return the body, JSON on several lines; the reason if there is none."""
    try:
        body = compile_transformer(transformer).render(dict(connector.sample))
    except Unrenderable as error:
        return str(error)
    try:
        document = json.loads(body)
    except ValueError:  # of a transformer with a content type of its own
        return body.decode()
    member = body_member(filled.auth)
    shown = {member[0]: MASK, **document} if member and isinstance(document, dict) else document
    return json.dumps(shown, indent=2, ensure_ascii=False)
