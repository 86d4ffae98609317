"""Create, change and delete alert rules.

``fields`` have the names of the REST API; ``channels`` is a list of mappings with ``type`` and ``endpoint`` (a row),
``email`` or ``url``. A rule that is switched off or deleted resolves its alerts, with a message.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from delivery.alerts.announce import end_alerts
from delivery.alerts.channel_rows import set_channels
from delivery.models import AlertRule
from subscriptions.errors import Invalid, InvalidParts, StateConflict, uid_in_use
from subscriptions.models import Tenant
from subscriptions.tenants.plans import lock_tenant
from webhooks.kit.conditions.condition import Condition, Question
from webhooks.kit.conditions.registry import CONDITIONS
from webhooks.kit.kinds.setting import InvalidSettings, check_settings
from webhooks.kit.rows import unique_uid
from webhooks.kit.sql import database_now

WATCHES = ("condition", "settings", "enabled", "for_minutes")
"""The fields of which a change makes the rule due, and ends what the former ones found."""


def create_rule(tenant: Tenant | None, *, channels: Sequence[Mapping[str, Any]] = (), **fields: Any) -> AlertRule:
    """Create a rule; None as tenant: an operator's.

    Raises Invalid for an unknown condition, InvalidParts for its settings, AlreadyExists for a uid in use,
    StateConflict if the tenant has as many rules as it may have, and as ``set_channels``.
    """
    rule = AlertRule(tenant=tenant, **fields)
    rule.created_at = rule.updated_at = rule.enabled_at = database_now()
    rule.settings = checked_settings(rule)
    rule.due_at = rule.created_at if rule.enabled else None
    with unique_uid(uid_in_use):
        if tenant is not None:
            lock_tenant(tenant)
            _check_number(tenant)
        rule.save(force_insert=True)
        set_channels(rule, channels)
    return rule


def change_rule(rule: AlertRule, fields: Mapping[str, Any]) -> AlertRule:
    """Change the given fields of a rule; return it as stored.

    Raises as ``create_rule``, and AlertRule.DoesNotExist if it was deleted meanwhile.
    """
    given = dict(fields)
    channels = given.pop("channels", None)
    with unique_uid(uid_in_use):
        row = lock_rule(rule)
        before = {name: getattr(row, name) for name in WATCHES}
        for name, value in given.items():
            setattr(row, name, value)
        if "condition" in given and row.is_built_in and row.condition != before["condition"]:
            raise StateConflict("condition", "The rule is built in: its condition cannot be changed.")
        row.settings = checked_settings(row)
        row.updated_at = now = database_now()
        if any(getattr(row, name) != value for name, value in before.items()):
            _begin_anew(row, before, now)
        row.save()
        if channels is not None:
            set_channels(row, channels)
    return row


def delete_rule(rule: AlertRule) -> None:
    """Delete a rule and resolve its alerts, which stay in the history. Raises StateConflict for a built-in one."""
    with transaction.atomic():
        row = lock_rule(rule)
        if row.is_built_in:
            raise StateConflict("enabled", "The rule is built in: switch it off instead.")
        now = database_now()
        end_alerts(row, now)
        set_channels(row, (), keep_rows=True)
        row.deleted_at, row.enabled, row.due_at = now, False, None
        row.save()


def lock_rule(rule: AlertRule) -> AlertRule:
    """Lock the row of a rule until the transaction ends, and return it. Raises AlertRule.DoesNotExist."""
    return AlertRule.objects.select_for_update(no_key=True).get(pk=rule.pk, deleted_at=None)


def delete_rules_of(*, tenant_id: UUID, **_: Any) -> None:
    """Delete all rules of a tenant with their history (receiver of ``tenant_deleted``)."""
    AlertRule.objects.filter(tenant=tenant_id).delete()


def condition_of(rule: AlertRule) -> Condition:
    """Return the condition of a rule. Raises Invalid for one that does not exist or is not for this owner."""
    found = CONDITIONS.get(rule.condition)
    allowed = [name for name, it in CONDITIONS.items() if rule.tenant_id is None or not it.is_for_operators]
    if found is None or found.name not in allowed:
        raise Invalid("condition", f"Must be one of: {', '.join(allowed)}.")
    return found


def checked_settings(rule: AlertRule) -> dict[str, Any]:
    """Return the settings of a rule with their defaults. Raises Invalid and InvalidParts."""
    condition = condition_of(rule)
    try:
        checked, _ = check_settings(condition.settings, rule.settings, {})
        if condition.check is not None:
            condition.check(Question(rule.tenant_id, checked, rule.updated_at, rule.updated_at))
    except InvalidSettings as error:
        raise InvalidParts(error.problems) from None
    return checked


def _begin_anew(rule: AlertRule, before: Mapping[str, Any], now: Any) -> None:
    """End what the rule has found if it watches something else now, or nothing; evaluate it at once."""
    if (rule.condition, rule.settings, rule.enabled) != tuple(
        before[it] for it in ("condition", "settings", "enabled")
    ):
        end_alerts(rule, now)
        rule.enabled_at = now
    rule.due_at = now if rule.enabled else None


def _check_number(tenant: Tenant) -> None:
    allowed = settings.WAYPOST_ALERT_RULES_PER_TENANT
    if AlertRule.objects.filter(tenant=tenant, deleted_at=None).count() >= allowed:
        raise StateConflict("condition", f"A tenant may have {allowed} alert rules; delete one first.")
