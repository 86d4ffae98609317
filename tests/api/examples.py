"""Record the examples of the API pages: one call of every operation, as a client makes it.

Ids, instants, secrets and addresses are replaced by fixed ones of the same form, so that the same code always records
the same examples.
"""

import base64
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import resolve
from django.utils import timezone
from rest_framework.test import APIClient

from config.status.status import cached_status
from delivery.api.data import Gone
from delivery.models import AlertRule, Archive, DrainReport, Lane, PublisherReport
from delivery.sending.drain import deliver_due
from subscriptions.api.conventions.errors import Unavailable, problem_response
from subscriptions.models import Tenant
from tests.api.operations import operations
from tests.delivery.alerts.factories import make_failing, run_rule
from tests.delivery.factories_load import make_drain_report, make_lane_behind, make_publisher_report
from tests.factories import make_client, make_endpoint
from tests.factories_receiver import make_source
from tests.receiver import Receiver, status
from webhooks.audit.models import AuditEntry
from webhooks.models import Source
from webhooks.processing.process import process_due
from webhooks.sources.secret_rotation import keep_received_secret
from webhooks.wire.ids import new_id_at, parse

TYPE_ID = re.compile(r"\b([a-z]{2,5})_([0-7][0-9a-hjkmnp-tv-z]{25})\b")
INSTANT = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
REPLACED: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r'(?<="cursor": ")[A-Za-z0-9_-]{64}(?=")'), "AZ" + "Q3" * 31),
    (re.compile(r"(?<=[?&]cursor=)[A-Za-z0-9_-]{40,}"), "cD0yMDI2LTA1LTA0VDEyOjMwOjAwWg"),
    (re.compile(r'(?<=")[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=")'), "019d1234-5678-7abc-8def-0123456789ab"),
    (re.compile(r'(?<="request_id": ")req_[0-9a-f]+(?=")'), "req_1e05a8d0f8827ae71"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]{20,}"), "whsec_" + base64.b64encode(b"a secret of 24 bytes, 24").decode()),
    (re.compile(r"\bwp_[A-Za-z0-9_-]{30,}"), "wp_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"),
    (re.compile(r"\bwp_[A-Za-z0-9_-]{8}(?=[\"…])"), "wp_c2VjcmV0"),
    (re.compile(r"\bv1,[A-Za-z0-9+/=]{40,}"), "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "https://example.com"),
    (re.compile(r"webhook-timestamp: \d+"), "webhook-timestamp: 1777897800"),
    (re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"), "Mon, 04 May 2026 12:30:00 GMT"),
    (re.compile(r"(?<=\")20\d\d-\d\d-\d\d(?=\")"), "2026-05-04"),
    (re.compile(r"http://testserver"), "https://waypost.example"),
    (re.compile(r"/(inspect|inspectors)/[A-Za-z0-9_-]{43}/"), r"/\1/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/"),
    (re.compile(r"/portal/open/[A-Za-z0-9_-]{43}/"), "/portal/open/dG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9rZW4tdG9/"),
    (re.compile(r'(?<="key": ")[A-Za-z0-9_-]{43}(?=")'), "dGhlIGtleSBvZiBhbiBleGFtcGxlLCAzMiBieXRlcyE"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
]


def is_audited(url: str) -> bool:
    """Return whether a call that is not a GET has to leave an entry of the audit: all but previews and publishing."""
    view: Any = resolve(urlsplit(url).path).func
    return bool(getattr(view.cls, "is_audited", True))


MOST_ROWS = 10  # of a list in an example


def shortened(found: Any) -> Any:
    """Return the response with the first rows of long lists only."""
    if isinstance(found, list):
        return [shortened(it) for it in found]
    if not isinstance(found, dict):
        return found
    rows = found.get("data")
    short = {"data": rows[:2]} if isinstance(rows, list) and len(rows) > MOST_ROWS else {}
    return {name: shortened(it) for name, it in {**found, **short}.items()}


class Recorder:
    """Call operations and keep what was sent and returned, by operation id and status."""

    def __init__(self) -> None:
        self.examples: dict[str, Any] = {}

    def call(
        self,
        client: APIClient,
        operation_id: str,
        body: Any = None,
        *,
        query: str = "",
        is_other_form: bool = False,
        **path: str,
    ) -> Any:
        """Call an operation; ``path`` has the names in its path. Return the JSON of the response, if it has one.

        ``is_other_form``: the request is not the example of the operation, only the response is.
        """
        operation = next(it for it in operations() if it.described["operationId"] == operation_id)
        url = operation.path.format_map(path) + query
        before = AuditEntry.objects.count()
        response = getattr(client, operation.method)(url, body, format="json")
        assert response.status_code < 400, (operation_id, response.content)
        if operation.method != "get":  # a GET creates a masking key where there is none
            assert (AuditEntry.objects.count() > before) is is_audited(url), operation_id
        entry = self.examples.setdefault(operation_id, {"responses": {}})
        if body is not None and not is_other_form:
            entry["request"] = body
        is_json = "json" in response.get("Content-Type", "") and not response.streaming
        if is_json and response.content:
            entry["responses"][str(response.status_code)] = shortened(json.loads(response.content))
        return json.loads(response.content) if is_json and response.content else None

    def problem(self, response: Any) -> None:
        """Keep a problem as the example of its status."""
        assert response["Content-Type"] == "application/problem+json", response.content
        self.examples.setdefault("problems", {})[str(response.status_code)] = json.loads(response.content)

    def normalized(self) -> dict[str, Any]:
        """Return the examples with fixed ids, instants, secrets and addresses."""
        text = json.dumps(self.examples, sort_keys=True, ensure_ascii=False)
        numbers: Counter[str] = Counter()
        ids: dict[str, str] = {}

        def fixed(match: re.Match[str]) -> str:
            prefix = match.group(1)
            if match.group(0) not in ids:
                numbers[prefix] += 1
                ids[match.group(0)] = f"{prefix}_01m83t2ghzevcannga6my0t{numbers[prefix]:03d}"
            return ids[match.group(0)]

        text = INSTANT.sub("2026-05-04T12:30:00Z", TYPE_ID.sub(fixed, text))
        for pattern, replacement in REPLACED:
            text = pattern.sub(replacement, text)
        return settled(json.loads(text))


VARYING = {
    "duration_ms": 42,
    "latency_ms": 42,
    "dns_ms": 1,
    "connect_ms": 2,
    "tls_ms": 9,
    "first_byte_ms": 30,
    "resolved_ms": 1,
    "total_ms": 42,
    "p50": 42,
    "p90": 42,
    "p95": 42,
    "p99": 42,
    "webhook-timestamp": "1777897800",
    "signed_at": 1777897800,
    "host": "hooks.example.com",
    "seconds": 60.0,
    "published_per_second": 99.8,
    "local": "2026-05-04T14:30:00+02:00",
    "subject_hash": "hmac-sha256:4RhX2zjnpfHHr2uHeg6yRBC9I7vz1O2HbLBPrXNJUj4",
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


def settled(value: Any, key: str = "") -> Any:
    """Return the value with fixed durations and digests."""
    if isinstance(value, dict):
        return {name: settled(inner, name) for name, inner in value.items() if name != "connected_ms"}  # if it was new
    if isinstance(value, list):
        return [settled(inner, key) for inner in value]
    if key in VARYING and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return VARYING[key]
    return value


def record(receiver: Receiver) -> dict[str, Any]:
    """Use the platform as its operator, a customer and a sender do, and return the examples."""
    it, operator = Recorder(), make_client(None)
    tenant = manage_tenants(it, operator)
    client = manage_keys(it, operator, tenant)
    describe_event_types(it, client)
    endpoint = subscribe(it, client, receiver)
    publish(it, client, endpoint)
    pull(it, client)
    inspect(it, client)
    open_portal(it, client)
    broadcast(it, operator)
    erase_by_subject(it, client)
    look_into_the_archive(it, client, tenant)
    schedule(it, client)
    alert(it, client)
    watch(it, operator)
    replay(it, client, endpoint, receiver)
    receive(it, client)
    read(it, client, receiver)
    publish_entries(it, client)
    record_problems(it, client, operator, tenant, endpoint)
    delete_everything(it, operator, client, tenant, endpoint)
    return it.normalized()


def manage_tenants(it: Recorder, operator: APIClient) -> str:
    """Create a plan and a tenant on it; return the tenant's id."""
    limits = {"name": "Starter", "uid": "starter", "events_per_month": 100_000, "publish_rate": 50}
    plan = it.call(operator, "create_plan", limits)["id"]
    it.call(operator, "list_plans")
    it.call(operator, "get_plan", ref=plan)
    entry = it.call(operator, "list_audit", query="?limit=1")["data"][0]["id"]
    it.call(operator, "get_audit", ref=entry)
    it.call(operator, "export_audit")
    it.call(operator, "replace_plan", {**limits, "max_endpoints": 20}, ref=plan)
    it.call(operator, "change_plan", {"publish_rate": 100}, ref=plan)
    tenant: str = it.call(operator, "create_tenant", {"name": "Acme", "uid": "customer-42", "plan": plan})["id"]
    it.call(operator, "replace_tenant", {"name": "Globex", "labels": {"region": "eu"}}, ref="customer-43")
    it.call(operator, "list_tenants")
    it.call(operator, "get_tenant", ref=tenant)
    it.call(operator, "get_tenant_limits", ref=tenant)
    it.call(operator, "replace_tenant", {"name": "Acme Ltd", "uid": "customer-42", "plan": plan}, ref=tenant)
    it.call(operator, "change_tenant", {"metadata": {"region": "eu"}}, ref=tenant)
    return tenant


def manage_keys(it: Recorder, operator: APIClient, tenant: str) -> APIClient:
    """Create and rotate keys; return a client with a key of the tenant."""
    client = make_client(Tenant.objects.get(uid="customer-42"))
    key = it.call(client, "create_key", {"name": "Backend", "scopes": ["publish", "read"]})["id"]
    it.call(client, "list_keys")
    it.call(client, "get_key", ref=key)
    it.call(client, "rotate_key", {"overlap_seconds": 3600}, ref=key)
    it.call(client, "delete_key", ref=key)
    return client


def describe_event_types(it: Recorder, client: APIClient) -> None:
    """Describe an event type and import another one."""
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
    described = {"name": "order.paid", "description": "An order was paid.", "schema": schema, "schema_check": "warn"}
    ref = it.call(client, "create_event_type", described)["id"]
    it.call(client, "list_event_types")
    it.call(client, "get_event_type", ref=ref)
    it.call(client, "replace_event_type", {**described, "examples": [{"total": 129.5}]}, ref=ref)
    it.call(client, "change_event_type", {"schema_check": "enforce"}, ref=ref)
    it.call(client, "list_event_type_versions", ref=ref)
    webhook = {"post": {"summary": "An order was shipped.", "responses": {"200": {"description": "Received."}}}}
    document = {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "webhooks": {"order.shipped": webhook}}
    it.call(client, "import_event_types", {"document": document, "dry_run": True})
    it.call(client, "export_event_types_as_openapi")
    it.call(client, "export_event_types_as_asyncapi")


def subscribe(it: Recorder, client: APIClient, receiver: Receiver) -> str:
    """Create an endpoint and its subscription; return the endpoint's id."""
    url = receiver.script("/webhooks", 204)
    body = {"url": url, "uid": "erp", "description": "ERP of Acme", "labels": {"env": "prod"}}
    endpoint: str = it.call(client, "create_endpoint", body)["id"]
    types = it.call(client, "list_endpoint_types")
    it.examples["list_endpoint_types"]["responses"]["200"] = {"data": types["data"][:1]}  # whatever is installed
    connectors = it.call(client, "list_connectors")
    it.examples["list_connectors"]["responses"]["200"] = {"data": connectors["data"][:2]}
    it.call(client, "get_connector", ref="discord")
    filled = {"settings": {"url": receiver.url("/webhooks")}}
    it.call(client, "preview_connector", filled, ref="discord")
    it.call(
        client, "create_connector_endpoint", {**filled, "subscriptions": [{"event_types": ["chat.*"]}]}, ref="discord"
    )
    it.call(client, "list_endpoints")
    it.call(client, "get_endpoint", ref=endpoint)
    it.call(client, "replace_endpoint", {**body, "rate_limit": 100}, ref=endpoint)
    it.call(client, "replace_endpoint", {**body, "uid": "shop"}, ref="shop")
    it.call(client, "change_endpoint", {"timeout_ms": 10_000}, ref=endpoint)
    it.call(client, "create_endpoint_secret", {"overlap_seconds": 86_400}, ref="shop")  # none of its attempts is shown
    older = it.call(client, "list_endpoint_secrets", ref="shop")["data"][-1]["id"]
    it.call(client, "get_endpoint_secret", ref="shop", id=older)
    it.call(client, "delete_endpoint_secret", ref="shop", id=older)
    it.call(client, "get_endpoint_keys", ref=endpoint)
    it.call(client, "rotate_endpoint_masking_key", ref="shop")
    it.call(client, "get_endpoint_masking_keys", ref="shop")
    it.call(client, "rotate_masking_key", {"of_platform": False})
    it.call(client, "get_masking_keys")
    it.call(client, "test_endpoint", {"type": "order.paid", "data": {"total": 129.5}}, ref=endpoint)
    it.call(client, "verify_endpoint", {"by": "event"}, ref=endpoint)
    body = {
        "endpoint": endpoint,
        "event_types": ["order.*"],
        "pattern": {"data": {"total": [{"numeric": [">", 100]}]}},
    }
    subscription = it.call(client, "create_subscription", body)["id"]
    it.call(client, "list_subscriptions")
    it.call(client, "get_subscription", ref=subscription)
    it.call(client, "get_subscription_delivery_stats", ref=subscription, query="?hours=1")
    it.call(client, "replace_subscription", body, ref=subscription)
    it.call(client, "replace_subscription", {"endpoint": endpoint, "event_types": ["refund.*"]}, ref="refunds")
    it.call(client, "change_subscription", {"event_types": ["order.paid", "order.refunded"]}, ref=subscription)
    event = {"type": "order.paid", "data": {"total": 129.5}}
    it.call(client, "test_subscription", {"subscription": subscription, "event": event})
    item = {"uid": "crm", "url": url, "subscriptions": [{"event_types": ["customer.*"]}]}
    it.call(client, "put_endpoints", {"data": [item, {"uid": "internal", "url": "https://10.0.0.1/hooks"}]})
    unwanted = {"filter": {"endpoint": "crm"}}
    it.call(client, "preview_delete_subscriptions", unwanted)
    it.call(client, "delete_subscriptions", unwanted)
    it.call(client, "preview_delete_endpoints", {"filter": {"uid": "crm"}})
    it.call(client, "delete_endpoints", {"filter": {"uid": "crm"}})
    grantee = Tenant.objects.get(uid="customer-43").public_id
    grant = {"grantee": grantee, "event_types": ["order.*"], "description": "Orders for our warehouse"}
    shared = it.call(client, "create_grant", grant)["id"]
    it.call(client, "list_grants")
    it.call(client, "get_grant", ref=shared)
    it.call(client, "replace_grant", grant, ref=shared)
    it.call(client, "change_grant", {"event_types": ["order.paid"]}, ref=shared)
    it.call(client, "delete_grant", ref=shared)
    unused = it.call(client, "create_subscription", {"endpoint": endpoint, "event_types": ["invoice.*"]})["id"]
    it.call(client, "delete_subscription", ref=unused)
    return endpoint


def pull(it: Recorder, client: APIClient) -> None:
    """Pull a message and acknowledge it."""
    body = {"type": "poll", "settings": {"visibility_timeout": 60}, "subscriptions": [{"event_types": ["stock.*"]}]}
    endpoint = client.post("/api/v1/endpoints/", body, format="json").json()["id"]
    client.post("/api/v1/events/", {"type": "stock.low", "data": {"left": 3}}, format="json")
    (message,) = it.call(client, "pull_messages", ref=endpoint)["messages"]
    it.call(client, "acknowledge_messages", {"acknowledged": [message["id"]]}, ref=endpoint)
    client.delete(f"/api/v1/endpoints/{endpoint}/")


def publish(it: Recorder, client: APIClient, endpoint: str) -> None:
    """Publish an event, deliver it, and read its deliveries and attempts."""
    body = {"type": "order.paid", "subject": "A-17", "data": {"number": "A-17", "total": 129.5}}
    event = it.call(client, "create_event", body)["id"]
    deliver_due(idle_timeout=0.1)
    it.call(client, "list_events", query="?limit=1")
    it.call(client, "get_event", ref=event)
    it.call(client, "list_event_deliveries", ref=event)
    it.call(client, "explain_event", ref=event)
    delivery = it.call(client, "list_deliveries", query="?limit=1")["data"][0]["id"]
    it.call(client, "get_delivery", ref=delivery)
    it.call(client, "list_delivery_attempts", ref=delivery)
    it.call(client, "get_delivery_attempt", ref=delivery, attempt="1")
    it.call(client, "get_delivery_request", ref=delivery)
    it.call(client, "get_endpoint_stats", ref=endpoint)
    it.call(client, "get_endpoint_delivery_stats", ref=endpoint, query="?hours=1")
    it.call(client, "get_endpoint_stats_of_all", query="?labels=env:prod&hours=1")
    it.call(client, "list_endpoint_overviews", query="?uid=shop")
    it.call(client, "get_endpoint_status", ref=endpoint)
    it.call(client, "retry_endpoint", ref=endpoint)
    it.call(client, "get_usage")
    it.call(client, "get_history", query="?from=2026-05-01&to=2026-05-31&granularity=month")
    it.call(client, "get_endpoint_history", ref=endpoint, query="?from=2026-05-01&to=2026-05-31&granularity=month")
    it.call(client, "delete_event_payload", ref=event)
    it.call(client, "create_event_batch", [{"type": "customer.created", "data": {"name": "Ada"}}, {"data": {}}])


def inspect(it: Recorder, client: APIClient) -> None:
    """Look at a request that an inspector received."""
    made = it.call(client, "create_inspector", {"name": "Shop", "expires_in": 3600})
    it.call(client, "list_inspectors")
    it.call(client, "get_inspector", ref=made["id"])
    it.call(client, "change_inspector", {"response_status": 503}, ref=made["id"])
    APIClient().post(urlsplit(made["url"]).path, {"hello": "world"}, format="json")
    it.call(client, "list_inspector_requests", ref=made["id"])
    it.call(client, "delete_inspector", ref=made["id"])


def open_portal(it: Recorder, client: APIClient) -> None:
    """Give a customer a link to the portal."""
    theme = {"name": "Acme Webhooks", "accent": "#2456c4", "mode": "auto"}
    body = {"user": "ada@example.com", "capabilities": ["view", "manage", "replay"], "theme": theme}
    made = it.call(client, "create_portal_link", {**body, "return_url": "https://example.com/settings"})["id"]
    it.call(client, "list_portal_links")
    it.call(client, "get_portal_link", ref=made)
    it.call(client, "delete_portal_link", ref=made)


def publish_entries(it: Recorder, client: APIClient) -> None:
    """Publish as clients of Amazon EventBridge do."""
    entry = {"Source": "my.shop", "DetailType": "order.paid", "Detail": '{"total": 129.5}'}
    for operation in ("create_event", "create_event_batch"):
        it.call(client, operation, {"Entries": [entry, {**entry, "Detail": "[]"}]}, is_other_form=True)


def schedule(it: Recorder, client: APIClient) -> None:
    """Publish an event at times."""
    times = {"expression": "cron(0 10 ? * MON-FRI *)", "timezone": "Europe/Berlin"}
    it.call(client, "create_schedule_preview", times)
    event = {"type": "order.reminder", "data": {"at": "<schedule.scheduled_at>"}}
    made = it.call(client, "create_schedule", {**times, "uid": "morning", "event": event})["id"]
    it.call(client, "list_schedules")
    later = {"type": "order.reminder", "deliver_at": (timezone.now() + timedelta(days=1)).isoformat()}
    event_id = client.post("/api/v1/events/", later, format="json").json()["id"]
    it.call(client, "cancel_event", ref=event_id)
    it.call(client, "get_schedule", ref=made)
    it.call(client, "replace_schedule", {**times, "flexible_window_minutes": 15, "event": event}, ref="morning")
    it.call(client, "replace_schedule", {**times, "event": event}, ref="evening")
    it.call(client, "change_schedule", {"state": "paused"}, ref=made)
    it.call(client, "create_schedule_run", ref=made)
    theirs = {
        "Name": "closing-time",
        "ScheduleExpression": "at(2030-12-24T18:00:00)",
        "ScheduleExpressionTimezone": "Europe/Helsinki",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Input": '{"at": "<aws.scheduler.scheduled-time>"}'},
    }
    it.call(client, "create_schedule_import", theirs)
    it.call(client, "delete_schedule", ref=made)


def alert(it: Recorder, client: APIClient) -> None:
    """Watch an endpoint, and take on an alert about it."""
    failing = {"condition": "endpoint_failing", "for_minutes": 10}
    it.call(client, "list_alert_conditions")
    it.call(client, "preview_alert_rule", failing)
    made = it.call(client, "create_alert_rule", {**failing, "name": "An endpoint fails", "uid": "failing"})
    rule = AlertRule.objects.get(pk=parse("alr", made["id"]))
    assert rule.tenant is not None
    watched = make_endpoint(rule.tenant, uid="watched", url="https://example.com/hooks")
    make_failing(watched, minutes=12)
    run_rule(rule)
    fired = it.call(client, "list_alerts", query="?state=firing")["data"][0]["id"]
    it.call(client, "get_alert", ref=fired)
    it.call(client, "acknowledge_alert", ref=fired)
    it.call(client, "snooze_alert", {"minutes": 60}, ref=fired)
    it.call(client, "list_alert_rules")
    it.call(client, "get_alert_rule", ref=made["id"])
    it.call(client, "replace_alert_rule", {**failing, "name": "Fails", "severity": "critical"}, ref="failing")
    it.call(client, "replace_alert_rule", {**failing, "name": "Fails too"}, ref="also-failing")
    it.call(client, "change_alert_rule", {"reminder_minutes": 60}, ref=made["id"])
    it.call(client, "test_alert_rule", ref=made["id"])
    it.call(client, "delete_alert_rule", ref=made["id"])
    Lane.objects.filter(endpoint=watched).delete()
    watched.delete()


def broadcast(it: Recorder, operator: APIClient) -> None:
    """Publish one event for the tenants with a label."""
    chosen = {"labels": {"region": "eu"}}
    it.call(operator, "preview_broadcast", chosen)
    event = {"type": "maintenance.planned", "data": {"begins_at": "2030-01-31T22:00:00Z"}}
    made = it.call(operator, "create_broadcast", {"event": event, **chosen})["id"]
    it.call(operator, "list_broadcasts")
    it.call(operator, "get_broadcast", ref=made)
    it.call(operator, "cancel_broadcast", ref=made)


def erase_by_subject(it: Recorder, client: APIClient) -> None:
    """Erase what there is about one subject, and cancel that."""
    chosen = {"subject": "customer-1042"}
    it.call(client, "preview_erasure", chosen)
    made = it.call(client, "create_erasure", {**chosen, "rate": 50})["id"]
    it.call(client, "list_erasures")
    it.call(client, "get_erasure", ref=made)
    it.call(client, "cancel_erasure", ref=made)


def look_into_the_archive(it: Recorder, client: APIClient, tenant: str) -> None:
    """Read which hours are archived."""
    begins_at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    counts = {"events": 1_200, "deliveries": 3_600, "types": {"order.paid": 900, "order.shipped": 300}}
    stored = {"key": f"{tenant}/2026/01/31/12-9f86d081884c7d659a2feaa0c55ad015.ndjson.zst", "sha256": "9" * 64}
    row = Archive.objects.create(
        id=new_id_at(begins_at), tenant_id=parse("tnt", tenant), begins_at=begins_at, bytes=181_213, **counts, **stored
    )
    it.call(client, "list_archives")
    it.call(client, "get_archive", ref=row.public_id)


def watch(it: Recorder, operator: APIClient) -> None:
    """Read the status of the platform while two processes run and an endpoint is behind."""
    DrainReport.objects.all().delete(), PublisherReport.objects.all().delete()
    make_drain_report(4711), make_publisher_report(4712)
    lane = make_lane_behind(60, lane={"circuit_open_until": timezone.now() + timedelta(minutes=5), "open_count": 4})
    cached_status.clear()
    it.call(operator, "get_status")
    lane.endpoint.tenant.delete()


def replay(it: Recorder, client: APIClient, endpoint: str, receiver: Receiver) -> None:
    """Steer pending deliveries, and replay dead letters."""
    client.patch(f"/api/v1/endpoints/{endpoint}/", {"state": "paused"}, format="json")
    pending = []
    for number in range(4):
        client.post("/api/v1/events/", {"type": "order.paid", "data": {"total": 200 + number}}, format="json")
        pending.append(client.get("/api/v1/deliveries/?limit=1").json()["data"][0]["id"])
    it.call(client, "retry_delivery", ref=pending[0])
    it.call(client, "resend_delivery", ref=pending[0])
    it.call(client, "cancel_delivery", ref=pending[1])
    it.call(client, "set_delivery_aside", ref=pending[2])
    chosen = {"filter": {"endpoint": endpoint}}
    it.call(client, "preview_cancel_deliveries", chosen)
    it.call(client, "cancel_deliveries", chosen)
    letter = it.call(client, "list_dead_letters")["data"][0]["id"]
    it.call(client, "get_dead_letter", ref=letter)
    it.call(client, "acknowledge_dead_letter", {"note": "Outage of the shop, known"}, ref=letter)
    it.call(client, "preview_dead_letter_job", {"operation": "acknowledge", **chosen})
    job = it.call(client, "create_dead_letter_job", {"operation": "acknowledge", **chosen, "note": "Known outage"})[
        "id"
    ]
    it.call(client, "list_dead_letter_jobs")
    it.call(client, "get_dead_letter_job", ref=job)
    it.call(client, "cancel_dead_letter_job", ref=job)
    it.call(client, "preview_replay", chosen)
    replayed = it.call(client, "create_replay", {**chosen, "rate": 50})["id"]
    it.call(client, "list_replays")
    it.call(client, "get_replay", ref=replayed)
    it.call(client, "cancel_replay", ref=replayed)
    client.patch(f"/api/v1/endpoints/{endpoint}/", {"state": "active"}, format="json")
    it.call(client, "replay_dead_letter", ref=letter)
    delivery = client.get(f"/api/v1/dead-letters/{letter}/").json()["delivery"]
    client.post(f"/api/v1/deliveries/{delivery}/set-aside/")
    again = client.get("/api/v1/dead-letters/?state=open&limit=1").json()["data"][0]["id"]
    it.call(client, "discard_dead_letter", {"note": "Test data"}, ref=again)


def receive(it: Recorder, client: APIClient) -> None:
    """Receive a message and a forged one, and process what was stored."""
    body = {"name": "GitHub", "uid": "github", "scheme": "github", "handlers": [{"handler": "log"}]}
    source = it.call(client, "create_source", {**body, "secret": "a-secret-that-github-knows"})["id"]
    it.call(client, "list_sources")
    it.call(client, "get_source", ref=source)
    it.call(client, "replace_source", {**body, "labels": {"env": "prod"}}, ref=source)
    gitlab = {"scheme": "gitlab", "secret": "a-secret-that-gitlab-knows"}
    it.call(client, "replace_source", gitlab, ref="gitlab")
    it.call(client, "change_source", {"timestamp_tolerance_seconds": 600}, ref=source)
    it.call(client, "test_source", {"event_type": "push"}, ref=source)
    process_due()
    headers = {"X-Hub-Signature-256": "sha256=" + "0" * 64, "X-GitHub-Delivery": "d-1"}
    APIClient().post(f"/in/{source}/", {"ref": "refs/heads/main"}, format="json", headers=headers)
    it.call(client, "get_source_stats", ref=source)
    receipt = it.call(client, "list_receipts")["data"][0]["id"]
    it.call(client, "get_receipt", ref=receipt)
    it.call(client, "list_receipt_attempts", ref=receipt)
    it.call(client, "get_receipt_body", ref=receipt)
    it.call(client, "replay_receipt", ref=receipt)
    it.call(client, "retry_receipt", ref=receipt)
    it.call(client, "preview_receipt_replay", {"filter": {"source": source}})
    replayed = it.call(client, "create_receipt_replay", {"filter": {"source": source}, "rate": 50})["id"]
    it.call(client, "list_receipt_replays")
    it.call(client, "get_receipt_replay", ref=replayed)
    it.call(client, "cancel_receipt_replay", ref=replayed)
    rejection = it.call(client, "list_rejections")["data"][0]["id"]
    it.call(client, "get_rejection", ref=rejection)
    body = {"secret": "the-next-secret-of-github", "overlap_seconds": 3600}
    secret = it.call(client, "create_source_secret", body, ref=source)["id"]
    it.call(client, "list_source_secrets", ref=source)
    it.call(client, "list_senders")
    asked = make_source(tenant_id=Source.objects.get(id=parse("src", source)).tenant_id, secret=None)
    keep_received_secret(asked.pk, "secret-that-the-sender-gave")
    it.call(client, "reveal_source_secret", ref=asked.public_id, id=asked.secrets.get().public_id)
    asked.delete()
    it.call(client, "get_source_secret", ref=source, id=secret)
    it.call(client, "delete_source_secret", ref=source, id=secret)


def read(it: Recorder, client: APIClient, receiver: Receiver) -> None:
    """Read another system."""
    kinds = it.call(client, "list_source_kinds")
    it.examples["list_source_kinds"]["responses"]["200"] = {"data": kinds["data"][:2]}  # whatever is installed
    receiver.script("/orders", status(200, b'[{"id": "A-17", "total": 129.5}]', content_type="application/json"))
    body = {"kind": "poll", "settings": {"url": receiver.url("/orders"), "id_path": "/id", "event_type": "order"}}
    it.call(client, "test_source_settings", body)
    source = client.post("/api/v1/sources/", body, format="json").json()["id"]
    it.call(client, "test_stored_source_settings", ref=source)
    it.call(client, "list_source_partitions", ref=source)
    it.call(client, "seek_source", {"to": "earliest"}, ref=source)


def record_problems(it: Recorder, client: APIClient, operator: APIClient, tenant: str, endpoint: str) -> None:
    """Make one request for each status that reports a problem."""
    events, path = "/api/v1/events/", f"/api/v1/endpoints/{endpoint}/"
    it.problem(client.post("/api/v1/endpoints/", {"url": "http:/example", "uids": "erp"}, format="json"))
    it.problem(APIClient().get("/api/v1/events/"))
    it.problem(make_client(Tenant.objects.get(uid="customer-42"), "publish").get(path))
    it.problem(client.get("/api/v1/endpoints/unknown/"))
    it.problem(client.put(events, {}, format="json"))
    it.problem(client.get(path, headers={"Accept": "text/xml"}))
    it.problem(client.post("/api/v1/endpoints/", {"url": "https://example.com/", "uid": "erp"}, format="json"))
    it.problem(client.patch(path, {"description": "ERP"}, format="json", headers={"If-Match": '"0"'}))
    it.problem(client.post("/api/v1/endpoints/", "url", content_type="text/plain"))
    for kind in ("invoice.*", "order.*"):
        body = {"endpoint": endpoint, "event_types": [kind]}
        response = client.post("/api/v1/subscriptions/", body, format="json", headers={"Idempotency-Key": "once"})
    it.problem(response)
    limits = {"max_event_bytes": 1024, "max_endpoints": 1}
    plan = operator.post("/api/v1/plans/", {"name": "Tiny", **limits}, format="json").json()["id"]
    operator.patch(f"/api/v1/tenants/{tenant}/", {"plan": plan}, format="json")
    client = make_client(Tenant.objects.get(uid="customer-42"))  # a new key: an old one may be cached with its plan
    it.problem(client.post(events, {"type": "order.sent", "data": {"text": "x" * 2000}}, format="json"))
    it.problem(client.post("/api/v1/endpoints/", {"url": "https://example.com/2"}, format="json"))
    operator.patch(f"/api/v1/plans/{plan}/", {"max_event_bytes": None, "publish_rate": 1}, format="json")
    client = make_client(Tenant.objects.get(uid="customer-42"))
    many = [{"specversion": "1.0", "id": str(it_), "source": "/", "type": "order.sent"} for it_ in range(50)]
    for event in many:  # until one is too much: on a busy machine the rate allows some more
        response = client.post(events, json.dumps(event), content_type="application/cloudevents+json")
        if response.status_code != 202:
            break
    it.problem(response)
    it.examples["problems"]["410"] = json.loads(problem_response(HttpRequest(), Gone()).content)
    it.examples["problems"]["503"] = json.loads(problem_response(HttpRequest(), Unavailable()).content)


def delete_everything(it: Recorder, operator: APIClient, client: APIClient, tenant: str, endpoint: str) -> None:
    """Delete everything that was created."""
    it.call(client, "delete_source", ref="github")
    it.call(client, "delete_endpoint", ref=endpoint)
    it.call(client, "delete_event_type", ref="order.paid")
    it.call(operator, "delete_tenant", ref=tenant)
    it.call(operator, "delete_plan", ref="starter")
