"""Test the server that stands for Slack in the demo: it accepts what Slack accepts."""

from typing import Any

import pytest
import requests

from config.local.demo.on_call import BEGAN, SlackServer, is_slack_message
from subscriptions.connectors.catalogue import find_connector

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "a"}}


def test_every_message_of_the_connector_is_accepted() -> None:
    connector = find_connector("slack")
    assert connector is not None
    assert all(is_slack_message(it.expected) for it in connector.messages)


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"text": ""}, {"text": 1}, {"text": "a", "blocks": 1}, {"text": "a", "blocks": [{"type": "b"}]}],
    ids=str,
)
def test_body_that_slack_rejects_is_no_message(body: Any) -> None:
    assert not is_slack_message(body)


def test_server_keeps_the_texts_of_messages_and_rejects_others() -> None:
    slack = SlackServer()
    with slack.listening():
        assert requests.post(slack.url, json={"text": f"{BEGAN} a", "blocks": [SECTION]}, timeout=30).text == "ok"
        assert requests.post(slack.url, data="{", timeout=30).status_code == 400
    assert (slack.texts, slack.count(BEGAN)) == ([f"{BEGAN} a"], 1)
