"""Check the fields of a connector, and fill them in: what an endpoint and its subscriptions are made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from subscriptions.connectors.connector import Connector, Message
from subscriptions.connectors.template import write_expression, write_fields, write_template
from subscriptions.errors import Invalid, InvalidParts
from subscriptions.routing.compiled_patterns import compile_transformer
from subscriptions.validation import check_transformer
from webhooks.kit.kinds.setting import InvalidSettings, check_settings
from webhooks.wire.transform import InvalidTransformer

MASK = "***"
URL_SETTINGS = ("url", "base_url")  # written as they are; any other value in a URL is percent-encoded
_PLACE = re.compile(r"\{\{([a-z_]+)\}\}")


@dataclass(frozen=True, slots=True)
class Filled:
    """Hold the request of a connector with the fields filled in. ``transformers``: by the name of a message."""

    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    auth: dict[str, str] = field(repr=False)
    failure_pattern: Mapping[str, Any] | None
    transformers: dict[str, dict[str, Any]]

    @property
    def endpoint_fields(self) -> dict[str, Any]:
        """Return the fields of the endpoint."""
        fields = {"url": self.url, "headers": self.headers, "failure_pattern": self.failure_pattern}
        return {**fields, "auth": self.auth} if self.auth else fields


def fill(connector: Connector, settings: Mapping[str, Any], credentials: Mapping[str, Any]) -> Filled:
    """Return the request of a connector with these fields.

    Raises InvalidParts with all that are wrong; EvaluatorUnavailable if a message is a JSONata expression.
    """
    try:
        checked, secrets = check_settings(connector.fields, settings, credentials)
    except InvalidSettings as error:
        raise InvalidParts(error.problems) from None
    _check_paths(connector, checked)
    values = {**checked, **secrets}
    filled = Filled(
        url=_url(connector.url, values),
        headers={name: text for name, it in connector.headers.items() if (text := _filled(it, values)) is not None},
        auth=_auth(connector.auth, values),
        failure_pattern=connector.failure_pattern,
        transformers={it.name: _transformer(it, checked) for it in connector.messages},
    )
    for transformer in filled.transformers.values():
        _check_stored(transformer)
    return filled


def fill_masked(connector: Connector, settings: Mapping[str, Any]) -> Filled:
    """Return the request with every credential masked, to show it."""
    masked = {it.name: MASK for it in connector.fields if it.is_credential}
    return fill(connector, settings, masked)


def transformer_of(message: Message, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the transformer that makes a message with these settings. Raises InvalidParts if it cannot be stored."""
    made = _transformer(message, settings)
    _check_stored(made)
    return made


def own_transformer(message: Message, written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a transformer that was given in place of a message's, with its content type unless it has another."""
    return {"content_type": message.content_type, **written}


def _check_paths(connector: Connector, settings: Mapping[str, Any]) -> None:
    """Check the settings that contain paths, each by itself. Raises InvalidParts."""
    problems = {}
    for name in [it.name for it in connector.fields if it.takes_paths and it.name in settings]:
        value = settings[name]
        try:
            if isinstance(value, str):
                compile_transformer({"texts": {"text": {"template": value}}, "template": "<text>"})
            else:
                compile_transformer({"template": write_fields(value)})
        except InvalidTransformer as error:
            problems[f"settings.{name}"] = f"{error.reason[:1].upper()}{error.reason[1:]}."
    if problems:
        raise InvalidParts(problems)


def _check_stored(transformer: Mapping[str, Any]) -> None:
    try:
        check_transformer(transformer)
    except Invalid as error:
        raise InvalidParts({"settings": f"The request that they make cannot be stored: {error.message}"}) from None


def _transformer(message: Message, settings: Mapping[str, Any]) -> dict[str, Any]:
    if message.jsonata:
        return {"jsonata": write_expression(message.jsonata, settings), "content_type": message.content_type}
    texts = {
        name: {**it, "template": _PLACE.sub(lambda place: str(settings.get(place[1], "")), it["template"])}
        for name, it in message.texts.items()
    }
    template = write_template(message.body, settings)
    made = {"template": template, "content_type": message.content_type}
    return {"texts": texts, **made} if texts else made


def _url(url: str, values: Mapping[str, Any]) -> str:
    def written(place: "re.Match[str]") -> str:
        value = str(values.get(place[1], ""))
        if place[1] not in URL_SETTINGS:
            return quote(value, safe=":@*")
        return value.rstrip("/") if place.end() < len(url) else value

    return _PLACE.sub(written, url)


def _auth(auth: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the authentication; empty if a value of it was left out."""
    filled = {name: _filled(it, values) for name, it in auth.items()}
    return {} if None in filled.values() else {name: it for name, it in filled.items() if it is not None}


def _filled(text: str, values: Mapping[str, Any]) -> str | None:
    """Return the text with its values; None if one was left out."""
    if any(values.get(name) is None for name in _PLACE.findall(text)):
        return None
    return _PLACE.sub(lambda place: _value(place[1], values), text)


def _value(name: str, values: Mapping[str, Any]) -> str:
    return str(values[name]).rstrip("/") if name in URL_SETTINGS else str(values[name])
