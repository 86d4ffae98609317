"""Create the alert rules that are there from the start: the operator's, which can be changed and switched off.

Called after every migration, so that new ones are added. They have no channels: their alerts are shown in the admin,
and are events for the platform's own tenant.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection

from delivery.models import AlertRule
from webhooks.kit.conditions.registry import CONDITIONS

CRITICAL, WARNING, INFO = AlertRule.Severity.CRITICAL, AlertRule.Severity.WARNING, AlertRule.Severity.INFO

# uid: name, condition, settings, and other fields that differ from the defaults
RULES: dict[str, tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = {
    "platform-workers": ("Workers are gone or cannot keep up", "platform_workers", {}, {"severity": CRITICAL}),
    "platform-processes": ("A process is silent or missing", "platform_processes", {}, {"severity": CRITICAL}),
    "platform-broker": ("Broker is away", "platform_broker", {}, {"severity": CRITICAL, "for_minutes": 1}),
    "platform-database": ("Database is slow", "platform_database", {}, {"severity": CRITICAL, "for_minutes": 5}),
    "platform-disk": ("Disk is nearly full", "platform_disk", {}, {"severity": CRITICAL}),
    "platform-archive": ("Archive is away or behind", "platform_archive", {}, {"for_minutes": 10}),
    "endpoint-failing": ("Endpoint fails", "endpoint_failing", {}, {"for_minutes": 15, "keep_minutes": 2}),
    "endpoint-disabled": ("Endpoint was disabled", "endpoint_disabled", {}, {}),
    "deliveries-late": ("Deliveries are late", "oldest_due", {"minutes": 60}, {"keep_minutes": 2}),
    "dead-letters-grow": ("Dead letters grow", "dead_letters", {"above": 1_000, "minutes": 15}, {}),
    "dead-receipts": ("Received messages were given up", "dead_receipts", {"above": 0, "minutes": 15}, {}),
    "source-failing": ("Source is not read", "source_failing", {}, {"for_minutes": 5}),
    "source-endangers": ("Source holds back the other system", "source_warning", {}, {"severity": CRITICAL}),
    "source-expiring": ("Secret of a source ends soon", "source_expiring", {}, {}),
    "schedules-late": ("Schedules are late", "schedule_late", {}, {}),
    "plan-limit": ("Limit of a plan is nearly used up", "plan_limit", {}, {"severity": INFO}),
    "expiring": ("Certificate or key ends soon", "expiring", {}, {}),
}


def create_missing(**_: Any) -> None:
    """Create the rules that do not exist yet (receiver of ``post_migrate``)."""
    if AlertRule._meta.db_table not in connection.introspection.table_names():
        return
    known = set(AlertRule.objects.filter(is_built_in=True, tenant=None).values_list("uid", flat=True))
    for uid, (name, condition, given, fields) in RULES.items():
        if uid in known or condition not in CONDITIONS:
            continue
        defaults = {it.name: it.default for it in CONDITIONS[condition].settings if it.default is not None}
        AlertRule.objects.create(
            uid=uid, name=name, condition=condition, settings={**defaults, **given}, is_built_in=True, **fields
        )
