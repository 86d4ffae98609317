"""Pages of alerts: rules with their channels and preview, the test message, acknowledging and snoozing."""

import pytest
from django.utils import timezone

from delivery.models import AlertMessage, AlertRule, Event
from tests.delivery.alerts.factories import make_alert, make_failing, make_rule
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_endpoint, make_tenant
from webhooks.kit.conditions.registry import CONDITIONS

pytestmark = pytest.mark.django_db
NEW = "/portal/alert-rules/new/success_rate/"
PREVIEW = "/portal/alert-rules/preview/"
FORM = {
    "name": "Too many fail",
    "condition": "success_rate",
    "setting.below_percent": "95",
    "setting.hours": "2",
    "setting.min_attempts": "",
    "setting.endpoint": "",
    "severity": "critical",
    "for_minutes": "5",
    "keep_minutes": "",
    "reminder_minutes": "60",
    "key": "k",
}


@pytest.fixture
def tenant():
    return make_tenant()


def path_of(rule: AlertRule, action: str = "") -> str:
    return f"/portal/alert-rules/{rule.public_id}/{f'{action}/' if action else ''}"


def test_conditions_of_a_tenant_can_be_chosen_and_no_others(tenant):
    text = text_of(portal_client(tenant).get("/portal/alert-rules/new/"))
    for condition in CONDITIONS.values():
        assert (f"/portal/alert-rules/new/{condition.name}/" in text) is not condition.is_for_operators


@pytest.mark.parametrize("name", [it.name for it in CONDITIONS.values() if not it.is_for_operators])
def test_form_of_every_condition_has_its_settings(tenant, name):
    text = text_of(portal_client(tenant).get(f"/portal/alert-rules/new/{name}/"))
    for setting in CONDITIONS[name].settings:
        assert f'name="setting.{setting.name}"' in text


@pytest.mark.parametrize("name", ["platform_disk", "nonsense"])
def test_condition_that_a_tenant_cannot_watch_is_not_found(tenant, name):
    client = portal_client(tenant)
    assert client.get(f"/portal/alert-rules/new/{name}/").status_code == 404
    assert client.send(f"/portal/alert-rules/new/{name}/", FORM).status_code == 404
    assert not AlertRule.objects.filter(tenant=tenant).exists()


def test_rule_is_created_once_with_settings_and_channels(tenant):
    endpoint = make_endpoint(tenant)
    client = portal_client(tenant)
    form = {**FORM, "enabled": "on", "endpoints": [endpoint.public_id]}
    sent = [client.send(NEW, form) for _ in range(2)]
    rule = AlertRule.objects.get(tenant=tenant)
    assert [it["Location"] for it in sent] == [f"{path_of(rule)}?done=created"] * 2
    assert rule.settings == {"below_percent": 95, "hours": 2, "min_attempts": 20}
    assert (rule.name, rule.severity, rule.enabled) == ("Too many fail", "critical", True)
    assert (rule.for_minutes, rule.keep_minutes, rule.reminder_minutes) == (5, 0, 60)
    assert [it.endpoint for it in rule.channel_rows.all()] == [endpoint]
    text = text_of(client.get(path_of(rule)))
    assert f'value="{endpoint.public_id}" checked' in text
    assert 'value="95"' in text


def test_rule_may_be_created_switched_off(tenant):
    portal_client(tenant).send(NEW, FORM)
    assert not AlertRule.objects.get(tenant=tenant).enabled


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"setting.below_percent": "many"}, "below_percent"),
        ({"setting.below_percent": "101"}, "below_percent"),
        ({"setting.endpoint": "ep_nothing"}, "endpoint"),
        ({"name": ""}, "name"),
        ({"for_minutes": "-1"}, "for_minutes"),
        ({"for_minutes": "soon"}, "for_minutes"),
        ({"severity": "deadly"}, "severity"),
        ({"endpoints": ["ep_nothing"]}, "channels"),
        ({"emails": "ada@example.com"}, "channels"),
    ],
    ids=["text", "above", "endpoint", "name", "negative", "minutes", "severity", "channel", "mail"],
)
def test_wrong_field_is_named_and_nothing_is_created(tenant, changes, field):
    response = portal_client(tenant).send(NEW, {**FORM, **changes})
    assert response.status_code == 400
    assert f'id="error-{field}"' in text_of(response)
    assert not AlertRule.objects.filter(tenant=tenant).exists()


def test_address_gets_a_link_first_and_the_page_says_so(tenant, settings):
    settings.WAYPOST_MAIL_FROM = "alerts@example.com"
    client = portal_client(tenant)
    assert 'name="emails"' in text_of(client.get(NEW))
    client.send(NEW, {**FORM, "emails": "ada@example.com\nbob@example.com"})
    rule = AlertRule.objects.get(tenant=tenant)
    assert [it.email for it in rule.channel_rows.order_by("id")] == ["ada@example.com", "bob@example.com"]
    assert AlertMessage.objects.filter(kind="confirm").count() == 2
    text = text_of(client.get(path_of(rule)))
    assert "ada@example.com gets no messages yet: its owner has not confirmed it." in text
    assert ">ada@example.com\nbob@example.com</textarea>" in text


def test_addresses_are_not_offered_without_mail(tenant):
    assert 'name="emails"' not in text_of(portal_client(tenant).get(NEW))


def test_rule_is_edited_and_keeps_its_switch(tenant):
    endpoint = make_endpoint(tenant)
    channels = [{"type": "endpoint", "endpoint": endpoint}]
    rule = make_rule(tenant, condition="success_rate", channels=channels, uid="mine")
    client = portal_client(tenant)
    changed = client.send(path_of(rule), {**FORM, "setting.endpoint": endpoint.public_id})
    assert changed["Location"] == f"{path_of(rule)}?done=saved"
    rule.refresh_from_db()
    assert (rule.name, rule.settings["below_percent"], rule.enabled, rule.uid) == ("Too many fail", 95, True, "mine")
    assert rule.settings["endpoint"] == endpoint.public_id
    assert not rule.channel_rows.exists()
    refused = client.send(path_of(rule), {**FORM, "name": ""})
    assert refused.status_code == 400
    assert 'id="error-name"' in text_of(refused)


def test_buttons_switch_test_and_delete(tenant):
    endpoint = make_endpoint(tenant)
    rule = make_rule(tenant, channels=[{"type": "endpoint", "endpoint": endpoint}])
    client = portal_client(tenant)
    for action, enabled in (("disable", False), ("enable", True)):
        assert client.send(path_of(rule, action)).status_code == 303
        rule.refresh_from_db()
        assert rule.enabled is enabled
    tested = client.send(path_of(rule, "test"))
    assert "1 test message is being sent." in text_of(client.get(tested["Location"]))
    assert Event.objects.filter(tenant=tenant, type="waypost.alert.firing").count() == 1
    assert client.send(path_of(rule, "delete"))["Location"] == "/portal/alerts/?done=deleted"
    rule.refresh_from_db()
    assert rule.deleted_at


def test_rule_without_channels_says_that_it_reaches_no_one(tenant):
    rule = make_rule(tenant)
    with_channel = make_rule(tenant, channels=[{"type": "endpoint", "endpoint": make_endpoint(tenant)}])
    client = portal_client(tenant)
    tested = client.send(path_of(rule, "test"))
    assert "reach no one" in text_of(client.get(tested["Location"]))
    assert "reach no one" in text_of(client.get(path_of(rule)))
    assert "reach no one" not in text_of(client.get(path_of(with_channel)))
    assert "being sent" not in text_of(client.get(f"{path_of(rule)}?tested=²"))


def test_preview_tells_the_past_and_the_present(tenant, monkeypatch):
    endpoint = make_endpoint(tenant)
    client = portal_client(tenant, "view")
    form = {"condition": "endpoint_failing", "for_minutes": "0"}
    quiet = text_of(client.send(PREVIEW, form))
    assert "In the last 24 hours it would not have fired." in quiet
    assert "At present the condition holds for nothing." in quiet
    make_failing(endpoint)
    assert "At present the condition holds for 1:" in text_of(client.send(PREVIEW, form))
    assert "not known" in text_of(client.send(PREVIEW, {"condition": "dead_letters", "for_minutes": ""}))
    assert not AlertRule.objects.filter(tenant=tenant).exists()


def test_preview_names_the_setting_that_is_wrong(tenant):
    client = portal_client(tenant)
    response = client.send(PREVIEW, {"condition": "success_rate", "setting.below_percent": "x", "for_minutes": "0"})
    assert response.status_code == 200
    assert "Below (%): Must be an integer." in text_of(response)
    assert client.send(PREVIEW, {"condition": "nonsense"}).status_code == 404


def test_alerts_that_fire_stand_first_and_are_acknowledged_and_snoozed(tenant):
    alert = make_alert(tenant)
    make_alert(tenant, state="resolved", resolved_at=timezone.now(), message="It was slow.")
    client = portal_client(tenant, user="ada")
    text = text_of(client.get("/portal/alerts/"))
    assert text.index("No attempt has succeeded.") < text.index("Past alerts") < text.index("It was slow.")
    client.send(f"/portal/alerts/{alert.public_id}/acknowledge/")
    client.send(f"/portal/alerts/{alert.public_id}/snooze/", {"minutes": "240"})
    alert.refresh_from_db()
    assert alert.acknowledged_by == "portal: ada"
    assert 239 <= (alert.snoozed_until - timezone.now()).total_seconds() / 60 <= 240
    assert client.send(f"/portal/alerts/{alert.public_id}/snooze/", {"minutes": "x"}).status_code == 400
    assert "Acknowledged by portal: ada" in text_of(client.get("/portal/alerts/"))


def test_session_that_only_views_may_change_nothing(tenant):
    rule = make_rule(tenant)
    client = portal_client(tenant, "view")
    text = text_of(client.get(path_of(rule)))
    assert "<form" not in text.partition("<main")[2]
    assert client.get(NEW).status_code == client.send(NEW, FORM).status_code == 403
    assert client.send(path_of(rule), FORM).status_code == 403
    for action in ("disable", "test", "delete"):
        assert client.send(path_of(rule, action)).status_code == 403
    rule.refresh_from_db()
    assert (rule.name, rule.enabled, rule.deleted_at) == ("Fails", True, None)
