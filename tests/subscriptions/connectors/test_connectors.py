"""Check the files of connectors: complete, in plain words, and true to their own examples."""

import json
import re
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest

from subscriptions.connectors.catalogue import find_connector, list_connectors
from subscriptions.connectors.connector import CATEGORIES, Connector, read_connector
from subscriptions.connectors.fill import fill, fill_masked
from subscriptions.connectors.sample import sample_requests
from subscriptions.connectors.template import write_template
from subscriptions.errors import InvalidParts
from subscriptions.routing.compiled_patterns import compile_transformer
from subscriptions.validation import check_failure_pattern

CONNECTORS = list_connectors()
ASKED = [
    *("slack", "discord", "microsoft_teams", "google_chat", "telegram", "pagerduty", "opsgenie", "datadog_events"),
    *("datadog_logs", "servicenow", "jira", "github_dispatch", "linear", "zapier", "n8n", "make", "splunk_hec"),
    *("new_relic", "elastic", "grafana", "salesforce", "hubspot", "segment"),
]


def named(name: str) -> Connector:
    connector = find_connector(name)
    assert connector is not None
    return connector


def test_every_system_has_a_connector() -> None:
    assert set(ASKED) <= {it.name for it in CONNECTORS}
    assert find_connector("../secrets") is None


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda it: it.name)
def test_connector_is_complete_and_makes_what_it_expects(connector: Connector) -> None:
    assert connector.category in CATEGORIES
    assert re.fullmatch(r"[a-z0-9_]{2,64}", connector.name)
    assert connector.description.endswith(".")
    assert connector.documentation.startswith("https://")
    assert connector.failure_pattern is None or check_failure_pattern(connector.failure_pattern) is None
    drawing = ElementTree.fromstring(connector.logo)
    assert {it.tag.rpartition("}")[2] for it in drawing.iter()} == {"svg", "rect", "text"}
    for field in connector.fields:
        assert field.label[0].isupper(), field.name
        assert field.help_text.endswith("."), field.name
        assert not (field.is_credential and field.default), field.name
        assert not (field.is_credential and field.takes_paths), field.name
    filled = fill(connector, connector.example["settings"], connector.example["credentials"])
    assert "{{" not in json.dumps([filled.url, filled.headers, filled.auth, filled.transformers])
    for message in connector.messages:
        body = compile_transformer(filled.transformers[message.name]).render(dict(connector.sample))
        assert orjson.loads(body) == message.expected, message.name


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda it: it.name)
def test_masked_request_has_no_credential(connector: Connector) -> None:
    shown = fill_masked(connector, connector.example["settings"])
    written = json.dumps([shown.url, shown.headers, shown.auth, shown.transformers])
    for secret in connector.example["credentials"].values():
        assert secret not in written


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda it: it.name)
def test_required_fields_are_named_together(connector: Connector) -> None:
    required = {it.path for it in connector.fields if it.is_required}
    if not required:
        pytest.fail(f"{connector.name} asks for nothing")
    with pytest.raises(InvalidParts) as caught:
        fill(connector, {}, {})
    assert set(caught.value.problems) == required


def test_value_in_a_path_of_the_url_cannot_leave_it() -> None:
    settings = {"owner": "../../x?y", "repository": "a/b#c"}
    filled = fill(named("github_dispatch"), settings, {"token": "t"})
    assert filled.url == "https://api.github.com/repos/..%2F..%2Fx%3Fy/a%2Fb%23c/dispatches"


def test_authentication_with_a_value_that_was_left_out_is_left_out() -> None:
    settings = {"url": "https://n8n.example.com/webhook/abc"}
    assert fill(named("n8n"), settings, {}).auth == {}
    assert fill(named("n8n"), settings, {"header_value": "k"}).auth["name"] == "x-api-key"


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("discord", {"url": "https://x.example", "message": "<$.a..b>"}, "settings.message"),
        ("hubspot", {"event_name": "pe1_x", "properties": {"a": "<$.a..b>"}}, "settings.properties"),
        ("hubspot", {"event_name": "pe1_x", "properties": {"a": "x" * 70_000}}, "settings.properties"),
    ],
)
def test_path_that_cannot_be_read_is_an_error_of_its_setting(name: str, given: dict[str, Any], field: str) -> None:
    credentials = {"access_token": "t"} if name == "hubspot" else {}
    with pytest.raises(InvalidParts) as caught:
        fill(named(name), given, credentials)
    assert [*caught.value.problems] == [field]


def test_settings_cannot_become_places_of_the_template() -> None:
    body = {"a": {"$setting": "a"}, "b": {"$setting": "none"}, "c": "<x>", "d": {"$fields": "d"}}
    settings = {"a": '<$.secret> "', "d": {"e": '<$.v> <no> "'}}
    template = write_template(body, settings)
    rendered = compile_transformer({"template": template}).render({"secret": "s", "v": 'q"'})
    assert orjson.loads(rendered) == {"a": '<$.secret> "', "c": "<x>", "d": {"e": 'q" <no> "'}}


def test_mention_in_a_value_is_escaped_and_one_of_the_user_is_not() -> None:
    settings = {"url": "https://hooks.slack.com/x", "message": "<!here> <$.data.who>"}
    filled = fill(named("slack"), settings, {})
    body = compile_transformer(filled.transformers["event"]).render({"data": {"who": "<!channel>"}})
    assert orjson.loads(body)["text"] == "<!here> &lt;!channel&gt;"


def test_connector_without_a_member_is_refused() -> None:
    with pytest.raises(KeyError):
        read_connector("x", {"request": {"url": "https://x.example"}})


def in_jsonata(**message: Any) -> Connector:
    """Return a connector whose message is an expression, with fields of every type."""
    fields = [
        {"name": "url", "label": "URL", "help_text": "URL.", "is_required": True},
        {"name": "title", "label": "Title", "help_text": "Title.", "default": 'a "title" <$.id> é 😀\\'},
        {"name": "least", "label": "Least", "help_text": "Least.", "type": "number", "default": -5},
        {"name": "tags", "label": "Tags", "help_text": "Tags.", "type": "object"},
        {"name": "token", "label": "Token", "help_text": "Token.", "is_credential": True},
    ]
    texts = {"label": "X", "category": "chat", "description": "X.", "documentation": "https://x.example", "logo": ""}
    written = {"name": "event", "label": "Event", "description": "Each.", "expected": None, **message}
    request = {"url": "{{url}}", "headers": {"authorization": "{{token}}"}}
    parts = {"fields": fields, "request": request, "messages": [written], "sample": {}, "example": {}}
    return read_connector("x", {**texts, **parts})


def test_message_in_jsonata_reads_the_event_and_the_settings() -> None:
    expression = "{'t': $settings.title, 'sum': $sum(data.lines.price) + $settings.least, 'tags': $settings.tags}"
    given = {"url": "https://x.example/", "tags": {"a": [], "b": [[1], None]}}
    filled = fill(in_jsonata(jsonata=expression), given, {"token": "s3cret"})
    transformer = filled.transformers["event"]
    assert "s3cret" not in str(transformer)
    body = compile_transformer(transformer).render({"id": "1", "data": {"lines": [{"price": 2}, {"price": 9}]}})
    assert orjson.loads(body) == {"t": 'a "title" <$.id> é 😀\\', "sum": 6, "tags": {"a": [], "b": [[1], None]}}
    (shown,) = sample_requests(in_jsonata(jsonata="'total'"), given)
    assert (shown.headers["authorization"], shown.body) == ("***", '"total"')


def test_message_in_jsonata_that_cannot_be_stored_is_an_error_of_the_settings() -> None:
    given = {"url": "https://x.example/", "tags": {"a": "x" * 20_000}}
    with pytest.raises(InvalidParts) as caught:
        fill(in_jsonata(jsonata="$settings"), given, {})
    assert "1 to 16384 characters" in caught.value.problems["settings"]


def test_message_with_an_expression_and_a_body_is_refused() -> None:
    with pytest.raises(ValueError, match="message event: jsonata stands in place of texts and body"):
        in_jsonata(jsonata="1", body={})
