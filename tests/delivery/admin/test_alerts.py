"""Alerts and their rules in the admin: the lists, acknowledging and snoozing, the form, the test button."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from delivery.models import Alert, AlertRule, Event
from tests.delivery.admin.rows import HOSTILE, operator
from tests.delivery.alerts.factories import make_alert, make_rule, make_subscriber
from tests.factories import make_endpoint, make_tenant
from webhooks.kit.admin.setting_fields import field_name
from webhooks.kit.conditions.registry import CONDITIONS

pytestmark = pytest.mark.django_db

ACKNOWLEDGE, CHANGE, ADD = "acknowledge_alert", "change_alertrule", "add_alertrule"


def url(name: str, *arguments: Any) -> str:
    return reverse(f"admin:delivery_{name}", args=arguments)


def text(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return str(response.content.decode())


def fields(**changes: Any) -> dict[str, Any]:
    """Return the fields of the form of a rule."""
    return {
        "name": "Fails",
        "uid": "",
        "severity": "critical",
        "enabled": "on",
        "for_minutes": "5",
        "keep_minutes": "0",
        "reminder_minutes": "",
        "emails": "",
        "urls": "",
        "endpoints": "",
        **changes,
    }


def test_list_shows_those_that_fire_first() -> None:
    fires = make_alert(subject_name="https://first.example/")
    make_alert(state="resolved", resolved_at=fires.since, subject_name="https://second.example/")
    shown = text(operator(), url("alert_changelist"))
    assert 0 < shown.index("https://first.example/") < shown.index("https://second.example/")


def test_list_and_page_link_what_an_alert_is_about() -> None:
    endpoint = make_endpoint()
    alert = make_alert(endpoint.tenant, subject=endpoint.public_id, subject_name="Warehouse")
    other = make_alert(subject="all", subject_name="All tenants")
    page, client = reverse("admin:subscriptions_endpoint_change", args=[endpoint.pk]), operator()
    listed = text(client, url("alert_changelist"))
    assert f'href="{page}" title="Warehouse">Warehouse</a>' in listed
    assert "All tenants" in listed
    assert page in text(client, url("alert_change", alert.pk))
    assert "All tenants" in text(client, url("alert_change", other.pk))


def test_page_escapes_what_a_tenant_has_written() -> None:
    alert = make_alert(subject_name=HOSTILE, message=HOSTILE)
    assert HOSTILE not in text(operator(ACKNOWLEDGE), url("alert_change", alert.pk))


@pytest.mark.parametrize("operation", ["acknowledge", "snooze_hour", "snooze_day"])
def test_operation_asks_first_and_then_changes_the_alert(operation: str) -> None:
    alert, client = make_alert(), operator(ACKNOWLEDGE)
    path = url(f"alert_{operation}", alert.pk)
    assert path in text(client, url("alert_change", alert.pk))
    assert alert.rule.name in text(client, path)
    assert Alert.objects.get(acknowledged_at=None, snoozed_until=None) == alert
    assert client.post(path).status_code == 302
    assert not Alert.objects.filter(acknowledged_at=None, snoozed_until=None).exists()


def test_operation_without_permission_is_refused() -> None:
    assert operator().post(url("alert_acknowledge", make_alert().pk)).status_code == 403


def add(condition: str = "endpoint_failing") -> str:
    return f"{url('alertrule_add')}?condition={condition}"


def test_conditions_are_offered_before_the_form() -> None:
    client = operator(ADD)
    for path in (url("alertrule_add"), add("unknown")):
        shown = text(client, path)
        assert all(f'href="?condition={name}"' in shown for name in CONDITIONS)


def test_form_has_a_field_for_each_setting_of_its_condition() -> None:
    client = operator(ADD)
    for condition in CONDITIONS.values():
        shown = text(client, add(condition.name))
        names = {field_name(it) for it in condition.settings}
        assert set(re.findall(r'name="(settings_\w+)"', shown)) == names, condition.name


def test_form_creates_a_rule_of_the_operator() -> None:
    response = operator(ADD, CHANGE).post(add(), fields(tenant=""))
    assert response.status_code == 302, response.content.decode()
    rule = AlertRule.objects.get(name="Fails")
    assert (rule.tenant, rule.for_minutes, rule.severity, rule.condition) == (None, 5, "critical", "endpoint_failing")


def test_settings_and_channels_are_stored_and_shown_again(settings: Any) -> None:
    settings.WAYPOST_MAIL_FROM = "waypost@example.com"
    given = {
        "settings_above": "20",
        "emails": "a@example.com\nb@example.com",
        "urls": "json://example.com/secret-of-the-hook",
    }
    client = operator(ADD, CHANGE)
    assert client.post(add("dead_letters"), fields(tenant="", **given)).status_code == 302
    rule = AlertRule.objects.get(name="Fails")
    assert rule.settings["above"] == 20
    assert sorted(rule.channel_rows.values_list("type", flat=True)) == ["apprise", "email", "email"]
    shown = text(client, url("alertrule_change", rule.pk))
    assert "secret-of-the-hook" not in shown
    (shown_url,) = [it.shown_url for it in rule.channel_rows.all() if it.shown_url]
    ids = set(rule.channel_rows.values_list("id", flat=True))
    client.post(url("alertrule_change", rule.pk), fields(**{**given, "urls": shown_url, "settings_above": "30"}))
    rule.refresh_from_db()
    assert rule.settings["above"] == 30
    assert set(rule.channel_rows.values_list("id", flat=True)) == ids


def test_endpoint_of_the_tenant_is_notified() -> None:
    endpoint, client = make_endpoint(), operator(ADD, CHANGE)
    given = {"tenant": str(endpoint.tenant.pk), "endpoints": endpoint.public_id}
    assert client.post(add(), fields(**given)).status_code == 302
    (channel,) = AlertRule.objects.get(name="Fails").channel_rows.all()
    assert channel.endpoint == endpoint
    assert endpoint.public_id in text(client, url("alertrule_change", channel.rule_id))


def test_settings_and_channels_are_shown_to_one_who_may_not_change_them() -> None:
    endpoint = make_endpoint()
    rule = make_rule(endpoint.tenant, condition="dead_letters", settings={"above": 20})
    rule.channel_rows.create(type="endpoint", endpoint=endpoint)
    shown = text(operator(), url("alertrule_change", rule.pk))
    assert endpoint.public_id in shown
    assert "above: 20" in shown


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"settings_endpoint": "ep_unknown"}, "settings_endpoint", "No endpoint with this id."),
        ({"endpoints": "ep_unknown"}, "endpoints", "There is no endpoint with the ID ep_unknown."),
        ({"urls": "pigeon://roof"}, "urls", ""),
        ({"emails": "a@example.com"}, "emails", "WAYPOST_MAIL_FROM"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_form_names_the_field_that_is_wrong(changes: dict[str, Any], field: str, message: str) -> None:
    response = operator(ADD, CHANGE).post(add("endpoint_failing"), fields(tenant="", **changes))
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert list(errors) == [field]
    assert message in errors[field][0]
    assert not AlertRule.objects.filter(name="Fails").exists()


def test_rule_is_changed_switched_off_and_tested() -> None:
    tenant = make_tenant()
    make_subscriber(tenant)
    rule, client = make_rule(tenant), operator(CHANGE)
    shown = text(client, url("alertrule_change", rule.pk))
    assert "would have fired 0 times" in shown
    client.post(url("alertrule_change", rule.pk), fields(name="Renamed"))
    rule.refresh_from_db()
    assert (rule.name, rule.for_minutes) == ("Renamed", 5)
    assert client.post(url("alertrule_test", rule.pk)).status_code == 302
    assert Event.objects.filter(tenant=tenant, type="waypost.alert.firing").count() == 1
    client.post(url("alertrule_changelist"), {"action": "disable_selected", "_selected_action": [rule.pk]})
    rule.refresh_from_db()
    assert not rule.enabled


def test_built_in_rule_has_no_button_to_delete_it() -> None:
    rule = AlertRule.objects.filter(is_built_in=True).first()
    assert rule is not None
    assert operator("delete_alertrule").post(url("alertrule_delete", rule.pk), {"post": "yes"}).status_code == 403
