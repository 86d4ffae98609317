"""Show an alert of the demo: the people on call get it in Slack, here a local server that takes what Slack takes.

The platform's own tenant has an endpoint that is created from the connector for Slack. The rule is one of those that
are there from the start: an endpoint was disabled.
"""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from config.local.demo.api_client import ApiClient
from config.local.demo.local_server import LocalHandler, LocalServer
from config.local.demo.screen import Screen

ON_CALL = "on-call"  # the platform's own tenant
CONDITION = "endpoint_disabled"
ACCEPTED, INVALID = 200, 400
BEGAN, ENDED = "Firing:", "Resolved:"


def is_slack_message(body: Any) -> bool:
    """Return whether Slack accepts this as the body of an incoming webhook: a text, and blocks of known types."""
    if not isinstance(body, dict) or not isinstance(body.get("text"), str) or not body["text"]:
        return False
    blocks = body.get("blocks", [])
    return isinstance(blocks, list) and all(_is_block(it) for it in blocks)


def _is_block(block: Any) -> bool:
    if not isinstance(block, Mapping):
        return False
    if block.get("type") == "section":
        return _is_text(block.get("text"))
    return block.get("type") == "context" and all(_is_text(it) for it in block.get("elements", [None]))


def _is_text(text: Any) -> bool:
    is_known = isinstance(text, Mapping) and text.get("type") in ("mrkdwn", "plain_text")
    return is_known and isinstance(text.get("text"), str) and 0 < len(text["text"]) <= 3_000


class SlackServer(LocalServer):
    """A local server that accepts the messages that Slack accepts, and keeps their texts."""

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.texts: list[str] = []

    def count(self, word: str) -> int:
        """Return how many messages begin with a word."""
        return sum(it.startswith(word) for it in self.texts)


class _Handler(LocalHandler):
    server: SlackServer

    def receive(self, body: bytes) -> None:
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        if not is_slack_message(message):
            self.respond(INVALID, b"invalid_payload")
            return
        self.server.texts.append(message["text"])
        self.respond(ACCEPTED, b"ok")


def subscribe_on_call(screen: Screen, stack: ExitStack, operator: ApiClient, own: ApiClient) -> SlackServer:
    """Create the platform's own tenant, and its endpoint in Slack; `own` is the client for this tenant."""
    slack = SlackServer()
    stack.enter_context(slack.listening())
    operator.call("PUT", f"tenants/{ON_CALL}/", json={"name": "On call", "is_platform": True})
    own.post(
        "connectors/slack/endpoints/",
        {
            "settings": {"url": slack.url, "message": "<$.data.title>"},
            "subscriptions": [
                {"event_types": ["waypost.alert.*"], "pattern": {"data": {"condition": [CONDITION]}}},
            ],
        },
    )
    screen.say(f"   on call  {slack.url}   Slack, for alerts about any of them")
    return slack
