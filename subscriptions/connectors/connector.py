"""Describe connectors, and read them from their files. Pure.

In the strings of ``url``, ``headers``, ``auth`` and the texts of messages, ``{{name}}`` stands for a setting or a
credential. A header or ``auth`` with one that was left out is left out too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhooks.kit.kinds.setting import Setting

CATEGORIES = {
    "chat": "Chat",
    "on_call": "On call",
    "monitoring": "Monitoring and logs",
    "tickets": "Tickets and code",
    "automation": "Automation",
    "customers": "Customers",
}
CATEGORY_CHOICES = list(CATEGORIES.items())


@dataclass(frozen=True, slots=True)
class ConnectorField(Setting):
    """Describe a field of a connector's form. ``takes_paths``: ``<$.path>`` in it places a value of the event."""

    takes_paths: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one kind of request: the ``texts`` of its transformer, its ``body`` and its ``content_type``.

    ``jsonata``: an expression in place of both, which has the settings as ``$settings``; empty: none. ``expected``: the
    body that the connector's sample becomes with its example settings.
    """

    name: str
    label: str
    description: str
    texts: Mapping[str, Any]
    body: Any
    jsonata: str
    content_type: str
    expected: Any


@dataclass(frozen=True, slots=True)
class Connector:
    """Hold a connector.

    ``example``: settings and credentials that make the expected requests of its messages. ``notes``: what users
    should know of its limits.
    """

    name: str
    label: str
    category: str
    description: str
    documentation: str
    logo: str
    fields: tuple[ConnectorField, ...]
    url: str
    headers: Mapping[str, str]
    auth: Mapping[str, str]
    failure_pattern: Mapping[str, Any] | None
    messages: tuple[Message, ...]
    sample: Mapping[str, Any]
    example: Mapping[str, Mapping[str, Any]]
    notes: str

    @property
    def category_label(self) -> str:
        """Return the category as it is shown."""
        return CATEGORIES[self.category]

    def message(self, name: str) -> Message:
        """Return a message by name; the first one for an empty name. Raises KeyError."""
        if not name:
            return self.messages[0]
        return {it.name: it for it in self.messages}[name]


def read_connector(name: str, written: Mapping[str, Any]) -> Connector:
    """Return the connector of a file. Raises KeyError, TypeError or ValueError for one that is no connector."""
    request = written["request"]
    return Connector(
        name=name,
        label=written["label"],
        category=written["category"],
        description=written["description"],
        documentation=written["documentation"],
        logo=written["logo"],
        fields=tuple(_field(it) for it in written["fields"]),
        url=request["url"],
        headers=request.get("headers", {}),
        auth=request.get("auth", {}),
        failure_pattern=request.get("failure_pattern"),
        messages=tuple(_message(it) for it in written["messages"]),
        sample=written["sample"],
        example=written["example"],
        notes=written.get("notes", ""),
    )


def _field(written: Mapping[str, Any]) -> ConnectorField:
    return ConnectorField(**{**written, "choices": tuple(written.get("choices", ()))})


def _message(written: Mapping[str, Any]) -> Message:
    expression = written.get("jsonata", "")
    if expression and written.keys() & {"texts", "body"}:
        raise ValueError(f"message {written['name']}: jsonata stands in place of texts and body")
    return Message(
        name=written["name"],
        label=written["label"],
        description=written["description"],
        texts=written.get("texts", {}),
        body=None if expression else written["body"],
        jsonata=expression,
        content_type=written.get("content_type", "application/json"),
        expected=written["expected"],
    )
