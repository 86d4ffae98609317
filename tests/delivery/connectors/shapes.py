"""Describe the requests that each API accepts by its documentation: path, headers, JSON Schema, size, responses.

The documentation of each is linked in the connector's file. Limits of characters are in the schemas.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Shape:
    """Hold what an API accepts. ``path``, ``headers``: regular expressions. ``refusal``: status and body otherwise."""

    path: str
    schema: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    response: bytes = b"{}"
    refusal: tuple[int, bytes] = (400, b'{"error": "invalid"}')
    max_bytes: int = 1_000_000


def text(most: int, least: int = 1) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most}


def members(required: dict[str, Any], optional: dict[str, Any] | None = None, *, more: bool = False) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": [*required],
        "additionalProperties": more,
    }


def array(items: dict[str, Any], most: int, least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


ANY: dict[str, Any] = {}
EVENT = members({"specversion": {"const": "1.0"}, "id": text(1000), "type": text(256)}, more=True)
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
TAGS = array(text(200), 100)
JSON = {"content-type": r"application/json(; ?charset=utf-8)?"}

MRKDWN = members({"type": {"const": "mrkdwn"}, "text": text(3000)})
SECTION = members({"type": {"const": "section"}, "text": MRKDWN})
CONTEXT = members({"type": {"const": "context"}, "elements": array(MRKDWN, 10)})
SLACK = {
    "text": text(40_000),
    "blocks": array({"oneOf": [SECTION, CONTEXT]}, 50),
    "unfurl_links": {"type": "boolean"},
}
CARD = members(
    {
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
        "body": array(members({"type": {"enum": ["TextBlock", "FactSet"]}}, more=True), 100),
    },
    {"$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"}},
)
PAGERDUTY_KEY = {"routing_key": text(32, 32), "dedup_key": text(255)}
INCIDENT = {
    "short_description": text(160),
    "description": text(4000),
    "urgency": {"enum": ["1", "2", "3"]},
    "impact": {"enum": ["1", "2", "3"]},
    "correlation_id": text(100),
    "correlation_display": text(100),
}
EVENT_FIELDS = {"id": ANY, "source": ANY, "type": ANY, "subject": ANY, "time": ANY, "data": ANY}

SHAPES = {
    "slack": Shape(r"/hook", members(SLACK), JSON, response=b"ok", refusal=(400, b"invalid_payload")),
    "slack_channel": Shape(
        r"/api/chat\.postMessage",
        members({"channel": text(80), **SLACK}),
        {"content-type": r"application/json; charset=utf-8", "authorization": r"Bearer xoxb-.+"},
        response=b'{"ok":true,"channel":"C1","ts":"1.2"}',
        refusal=(200, b'{"ok":false,"error":"invalid_blocks"}'),
    ),
    "discord": Shape(
        r"/hook",
        members({"content": text(2000), "allowed_mentions": members({"parse": {"const": []}})}, {"username": text(80)}),
        JSON,
        status=204,
        response=b"",
    ),
    "microsoft_teams": Shape(
        r"/hook",
        members(
            {
                "type": {"const": "message"},
                "attachments": array(
                    members(
                        {"contentType": {"const": "application/vnd.microsoft.card.adaptive"}, "content": CARD},
                        {"contentUrl": {"type": ["string", "null"]}},
                    ),
                    10,
                ),
            }
        ),
        JSON,
        status=202,
        response=b"",
        max_bytes=28 * 1024,
    ),
    "google_chat": Shape(
        r"/hook",
        members(
            {
                "cardsV2": array(
                    members(
                        {
                            "cardId": text(64),
                            "card": members(
                                {
                                    "header": members({"title": text(200), "subtitle": text(300)}),
                                    "sections": array(
                                        members(
                                            {
                                                "widgets": array(
                                                    members({"textParagraph": members({"text": text(8000)})}), 100
                                                )
                                            }
                                        ),
                                        100,
                                    ),
                                }
                            ),
                        }
                    ),
                    10,
                )
            },
            {"fallbackText": text(4096)},
        ),
        JSON,
        max_bytes=32_000,
    ),
    "telegram": Shape(
        r"/bot\d+:[\w-]+/sendMessage",
        members(
            {"chat_id": {"type": ["string", "integer"]}, "text": text(4096)},
            {
                "message_thread_id": {"type": "integer"},
                "disable_notification": {"type": "boolean"},
                "link_preview_options": members({"is_disabled": {"type": "boolean"}}),
            },
        ),
        JSON,
        response=b'{"ok":true,"result":{"message_id":1}}',
        refusal=(400, b'{"ok":false,"error_code":400,"description":"Bad Request"}'),
    ),
    "pagerduty": Shape(
        r"/v2/enqueue",
        {
            "oneOf": [
                members(
                    {
                        **PAGERDUTY_KEY,
                        "event_action": {"const": "trigger"},
                        "payload": members(
                            {
                                "summary": text(1024),
                                "source": text(255),
                                "severity": {"enum": ["critical", "error", "warning", "info"]},
                            },
                            {"component": text(255, 0), "custom_details": {"type": "object"}, "timestamp": TIME},
                        ),
                    },
                    {"client": text(255), "client_url": text(2048)},
                ),
                members({**PAGERDUTY_KEY, "event_action": {"enum": ["acknowledge", "resolve"]}}),
            ]
        },
        JSON,
        status=202,
        response=b'{"status":"success","message":"Event processed","dedup_key":"k"}',
        max_bytes=512 * 1024,
    ),
    "opsgenie": Shape(
        r"/v2/alerts",
        members(
            {"message": text(130)},
            {
                "alias": text(512),
                "description": text(15_000),
                "priority": {"enum": ["P1", "P2", "P3", "P4", "P5"]},
                "source": text(100),
                "tags": array(text(50), 20),
                "details": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        ),
        {**JSON, "authorization": r"GenieKey .+"},
        status=202,
        response=b'{"result":"Request will be processed","took":0.3,"requestId":"1"}',
    ),
    "datadog_events": Shape(
        r"/api/v1/events",
        members(
            {"title": text(100), "text": text(4000)},
            {
                "alert_type": {
                    "enum": ["error", "warning", "info", "success", "user_update", "recommendation", "snapshot"]
                },
                "aggregation_key": text(100),
                "source_type_name": text(100),
                "tags": TAGS,
            },
        ),
        {**JSON, "dd-api-key": r"[0-9a-f]{32}"},
        status=202,
        response=b'{"status":"ok"}',
    ),
    "datadog_logs": Shape(
        r"/api/v2/logs",
        array(
            members(
                {"message": text(1_000_000)},
                {"ddsource": text(100), "ddtags": text(2000), "hostname": text(255), "service": text(100)},
                more=True,
            ),
            1000,
        ),
        {**JSON, "dd-api-key": r"[0-9a-f]{32}"},
        status=202,
        max_bytes=5_000_000,
    ),
    "servicenow": Shape(
        r"/api/now/table/incident",
        members(INCIDENT, {"assignment_group": text(100)}),
        {**JSON, "accept": r"application/json", "authorization": r"Basic [\w+/=]+"},
        status=201,
        response=b'{"result":{"number":"INC0010001"}}',
    ),
    "jira": Shape(
        r"/rest/api/2/issue",
        members(
            {
                "fields": members(
                    {
                        "project": members({"key": text(64)}),
                        "issuetype": members({"name": text(60)}),
                        "summary": {**text(255), "pattern": r"^[^\r\n]+$"},
                    },
                    {"description": text(32_767), "labels": array({**text(255), "pattern": r"^\S+$"}, 100)},
                )
            }
        ),
        {**JSON, "authorization": r"Basic [\w+/=]+"},
        status=201,
        response=b'{"id":"1","key":"OPS-1"}',
    ),
    "github_dispatch": Shape(
        r"/repos/[\w.-]+/[\w.-]+/dispatches",
        members({"event_type": text(100)}, {"client_payload": {"type": "object", "maxProperties": 10}}),
        {
            **JSON,
            "accept": r"application/vnd\.github\+json",
            "authorization": r"Bearer .+",
            "user-agent": r".+",
            "x-github-api-version": r"2022-11-28",
        },
        status=204,
        response=b"",
        refusal=(422, b'{"message":"Validation Failed"}'),
    ),
    "linear": Shape(
        r"/graphql",
        members(
            {
                "query": {**text(2000), "pattern": r"^mutation .*issueCreate\(input: \$input\)"},
                "variables": members(
                    {
                        "input": members(
                            {"teamId": text(36, 36), "title": {**text(255), "pattern": r"^[^\r\n]+$"}},
                            {
                                "description": text(100_000),
                                "priority": {"type": "integer", "minimum": 0, "maximum": 4},
                                "labelIds": array(text(36), 50),
                            },
                        )
                    }
                ),
            }
        ),
        {**JSON, "authorization": r"lin_api_.+"},
        response=b'{"data":{"issueCreate":{"success":true,"issue":{"id":"1"}}}}',
        refusal=(200, b'{"errors":[{"message":"Argument Validation Error"}],"data":null}'),
    ),
    "zapier": Shape(r"/hook", EVENT, JSON, response=b'{"status":"success"}'),
    "n8n": Shape(r"/hook", EVENT, {**JSON, "x-api-key": r"s3cret"}, response=b'{"message":"Workflow was started"}'),
    "make": Shape(r"/hook", EVENT, {**JSON, "x-make-apikey": r"s3cret"}, response=b"Accepted"),
    "splunk_hec": Shape(
        r"/services/collector/event",
        members(
            {"event": ANY},
            {
                "host": text(255),
                "source": text(255),
                "sourcetype": text(80),
                "index": text(80),
                "time": {"type": "number"},
                "fields": {"type": "object"},
            },
        ),
        {**JSON, "authorization": r"Splunk [0-9a-f-]{36}"},
        response=b'{"text":"Success","code":0}',
    ),
    "new_relic": Shape(
        r"/log/v1",
        array(
            members(
                {"logs": array(members({"message": text(65_536)}, {"attributes": {"type": "object"}}), 1000)},
                {"common": members({}, {"attributes": {"type": "object"}})},
            ),
            100,
        ),
        {**JSON, "api-key": r".{40}"},
        status=202,
        response=b'{"requestId":"1"}',
    ),
    "elastic": Shape(
        r"/[a-z0-9_.-]+/_doc",
        members({"@timestamp": TIME, "message": text(32_766), "event": {"type": "object"}}, more=True),
        {**JSON, "authorization": r"ApiKey [\w=]+"},
        status=201,
        response=b'{"result":"created"}',
    ),
    "grafana": Shape(
        r"/api/annotations",
        members(
            {"text": text(65_535)},
            {"tags": TAGS, "dashboardUID": text(40), "panelId": {"type": "integer"}, "time": {"type": "integer"}},
        ),
        {**JSON, "authorization": r"Bearer glsa_.+"},
        response=b'{"message":"Annotation added","id":1}',
    ),
    "salesforce": Shape(
        r"/services/data/v\d+\.\d/sobjects/\w+__e/",
        {"type": "object", "minProperties": 1, "propertyNames": {"pattern": r"^\w+__c$"}},
        {**JSON, "authorization": r"Bearer token-1"},
        status=201,
        response=b'{"id":"e01xx","success":true,"errors":[]}',
    ),
    "hubspot": Shape(
        r"/events/v3/send",
        members(
            {"eventName": {**text(100), "pattern": r"^pe\d+_"}, "properties": {"type": "object"}},
            {"email": text(320), "occurredAt": TIME, "uuid": text(1000), "objectId": text(50)},
        ),
        {**JSON, "authorization": r"Bearer pat-.+"},
        status=204,
        response=b"",
    ),
    "segment": Shape(
        r"/v1/track",
        members(
            {"userId": text(255), "event": text(255)},
            {
                "properties": {"type": "object"},
                "timestamp": TIME,
                "messageId": text(100),
                "context": {"type": "object"},
            },
        ),
        {**JSON, "authorization": r"Basic d3JpdGVrZXk6"},
        response=b'{"success":true}',
    ),
}
