"""Test rules, their channels, trials, and the rules that are there from the start."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from delivery.alerts import apprise_urls, built_in
from delivery.alerts.rules import change_rule, create_rule, delete_rule
from delivery.alerts.trial import episodes, preview, send_test
from delivery.fan_out import deferred
from delivery.models import AlertAddress, AlertMessage, AlertRule, Delivery
from subscriptions.connectors.catalogue import find_connector
from subscriptions.connectors.endpoints import create_from_connector
from subscriptions.errors import Invalid, InvalidParts, StateConflict
from subscriptions.models import Subscription, Tenant
from tests.delivery.alerts.factories import make_failing, make_rule, make_subscriber, occasions, run_rule
from tests.factories import make_endpoint, make_tenant
from webhooks.kit.conditions.condition import PastFinding
from webhooks.kit.conditions.registry import CONDITIONS
from webhooks.kit.encryption import decrypt

pytestmark = pytest.mark.django_db

SLACK = "https://hooks.slack.com/services/T0001/B0001/abcdef"


@pytest.fixture
def mail(settings: object) -> None:
    settings.WAYPOST_MAIL_FROM = "Waypost <alerts@example.com>"  # type: ignore[attr-defined]


def slack_endpoint(tenant: Tenant, **fields: object) -> object:
    connector = find_connector("slack")
    assert connector is not None
    return create_from_connector(tenant, connector, settings={"url": SLACK}, credentials={}, **fields)[0]


class TestEndpointAsChannel:
    """An endpoint gets the events of the rule by a subscription."""

    def test_subscription_is_for_the_rule_alone_and_goes_with_it(self) -> None:
        endpoint = make_endpoint()
        rule = make_rule(endpoint.tenant, channels=[{"type": "endpoint", "endpoint": endpoint}])
        made = Subscription.objects.get(endpoint=endpoint)
        assert made.event_types == ["waypost.alert.firing", "waypost.alert.resolved"]
        assert made.pattern == {"data": {"rule": [rule.public_id]}}
        change_rule(rule, {"channels": []})
        assert not Subscription.objects.filter(endpoint=endpoint).exists()

    def test_endpoint_that_subscribes_itself_keeps_its_subscription(self) -> None:
        tenant = make_tenant()
        endpoint = make_subscriber(tenant)
        make_rule(tenant, channels=[{"type": "endpoint", "endpoint": endpoint}])
        assert Subscription.objects.filter(endpoint=endpoint).count() == 1

    def test_two_rules_of_one_endpoint_have_a_subscription_each(self) -> None:
        endpoint = make_endpoint()
        channels = [{"type": "endpoint", "endpoint": endpoint}]
        for _ in range(2):
            make_rule(endpoint.tenant, channels=channels)
        assert Subscription.objects.filter(endpoint=endpoint).count() == 2

    def test_endpoint_of_slack_gets_what_slack_shows(self) -> None:
        tenant = make_tenant()
        endpoint = slack_endpoint(tenant)
        rule = make_rule(tenant, channels=[{"type": "endpoint", "endpoint": endpoint}])
        make_failing(make_endpoint(tenant, uid="shop"))
        run_rule(rule)
        deferred.run()
        body = Delivery.objects.get(endpoint=endpoint).body
        assert body is not None
        sent = orjson.loads(bytes(body))
        assert sent["text"].startswith("Firing: Fails: shop\nshop: No attempt has succeeded for 10 min")
        assert sent["blocks"][0]["text"]["type"] == "mrkdwn"

    def test_incident_of_pagerduty_is_triggered_and_resolved_by_the_rule(self) -> None:
        tenant, connector = make_tenant(), find_connector("pagerduty")
        assert connector is not None
        endpoint, _ = create_from_connector(tenant, connector, settings={}, credentials={"routing_key": "0" * 32})
        rule = make_rule(tenant, channels=[{"type": "endpoint", "endpoint": endpoint}])
        make_failing(make_endpoint(tenant))
        run_rule(rule)
        change_rule(rule, {"enabled": False})
        deferred.run()
        bodies = [orjson.loads(bytes(it.body)) for it in Delivery.objects.filter(endpoint=endpoint).order_by("id")]
        assert [it["event_action"] for it in bodies] == ["trigger", "resolve"]
        assert {it["dedup_key"] for it in bodies} == {rule.public_id}

    def test_endpoint_of_another_tenant_is_refused(self) -> None:
        with pytest.raises(Invalid, match="one of the tenant"):
            make_rule(channels=[{"type": "endpoint", "endpoint": make_endpoint()}])

    def test_connector_that_needs_more_than_a_text_is_refused_with_a_way_out(self) -> None:
        tenant, connector = make_tenant(), find_connector("telegram")
        assert connector is not None
        endpoint, _ = create_from_connector(tenant, connector, **connector.example)
        with pytest.raises(Invalid, match="create a subscription"):
            make_rule(tenant, channels=[{"type": "endpoint", "endpoint": endpoint}])


def test_channels_that_stay_keep_their_rows() -> None:
    endpoint = make_endpoint()
    rule = make_rule(endpoint.tenant, channels=[{"type": "endpoint", "endpoint": endpoint}])
    (before,) = rule.channel_rows.all()
    change_rule(rule, {"channels": [{"type": "endpoint", "endpoint": endpoint}], "name": "New"})
    assert list(rule.channel_rows.all()) == [before]


def test_address_of_a_tenant_is_asked_once_and_gets_nothing_before(mail: None) -> None:
    channels = [{"type": "email", "email": "ops@example.com"}]
    rule = make_rule(channels=channels)
    make_rule(rule.tenant, channels=channels)
    assert [it.kind for it in AlertMessage.objects.all()] == ["confirm"]
    send_test(rule)
    assert AlertMessage.objects.count() == 1
    AlertAddress.objects.update(confirmed_at=datetime.now(UTC))
    send_test(rule)
    assert AlertMessage.objects.filter(rule=rule, kind="test").count() == 1


def test_address_of_the_operator_needs_no_confirmation(mail: None) -> None:
    rule = create_rule(
        None, name="a", condition="endpoint_failing", channels=[{"type": "email", "email": "ops@example.com"}]
    )
    assert send_test(rule) == 1


def test_mail_that_is_not_set_up_is_refused() -> None:
    with pytest.raises(Invalid, match="WAYPOST_MAIL_FROM"):
        make_rule(channels=[{"type": "email", "email": "ops@example.com"}])


class TestApprise:
    """URLs of Apprise are the operator's, and encrypted."""

    def create(self, url: str, tenant: Tenant | None = None) -> AlertRule:
        channels = [{"type": "apprise", "url": url}]
        return create_rule(tenant, name="a", condition="endpoint_failing", channels=channels)

    def test_url_is_stored_encrypted_and_shown_without_its_secrets(self) -> None:
        url = "slack://TokenAAAA/TokenBBBB/TokenCCCCCCCCCCCCCCCCCCCC/#ops"
        rule = self.create(url)
        channel = rule.channel_rows.get()
        assert channel.shown_url == "slack://***"
        assert channel.ciphertext is not None
        assert decrypt(channel.ciphertext) == url
        change_rule(rule, {"channels": [{"type": "apprise", "url": "slack://***"}]})
        assert rule.channel_rows.get() == channel

    @pytest.mark.parametrize("url", ["", "nonsense", "unknown://host"])
    def test_url_that_apprise_does_not_know_is_refused(self, url: str) -> None:
        with pytest.raises(Invalid, match="url"):
            self.create(url)

    def test_tenant_is_refused(self) -> None:
        with pytest.raises(Invalid, match="operator"):
            self.create("json://example.com", make_tenant())

    def test_missing_package_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(apprise_urls, "find_spec", lambda _name: None)
        with pytest.raises(Invalid, match=r"waypost\[apprise\]"):
            self.create("json://example.com")


def test_settings_get_their_defaults_and_unknown_ones_are_refused() -> None:
    assert make_rule(condition="dead_letters").settings == {"above": 0}
    with pytest.raises(InvalidParts, match="Unknown"):
        make_rule(condition="dead_letters", settings={"abov": 1})


@pytest.mark.parametrize("condition", ["nonsense", "platform_disk"])
def test_condition_that_a_tenant_may_not_watch_is_refused(condition: str) -> None:
    with pytest.raises(Invalid, match="Must be one of"):
        make_rule(condition=condition)


def test_tenant_has_at_most_as_many_rules_as_the_setting_says(settings: object) -> None:
    settings.WAYPOST_ALERT_RULES_PER_TENANT = 1  # type: ignore[attr-defined]
    tenant = make_tenant()
    make_rule(tenant)
    with pytest.raises(StateConflict, match="may have 1"):
        make_rule(tenant)


def test_deleted_rule_resolves_its_alerts_and_frees_its_uid() -> None:
    tenant = make_tenant()
    make_subscriber(tenant)
    rule = make_rule(tenant, uid="a")
    make_failing(make_endpoint(tenant))
    run_rule(rule)
    delete_rule(rule)
    assert occasions(tenant) == [("firing", 1), ("resolved", 1)]
    make_rule(tenant, uid="a")


class TestBuiltIn:
    """Rules that are there from the start."""

    def test_each_is_there_with_a_known_condition(self) -> None:
        built = AlertRule.objects.filter(is_built_in=True)
        assert {it.uid for it in built} == set(built_in.RULES)
        assert {it.condition for it in built} <= set(CONDITIONS)

    def test_migration_changes_nothing_that_an_operator_has_changed(self) -> None:
        AlertRule.objects.filter(uid="expiring").update(enabled=False, name="Mine")
        built_in.create_missing()
        assert AlertRule.objects.get(uid="expiring").name == "Mine"
        assert AlertRule.objects.filter(is_built_in=True).count() == len(built_in.RULES)

    def test_it_can_be_switched_off_and_not_deleted(self) -> None:
        rule = AlertRule.objects.get(uid="expiring")
        assert not change_rule(rule, {"enabled": False}).enabled
        with pytest.raises(StateConflict, match="built in"):
            delete_rule(rule)

    def test_all_are_evaluated_without_an_error(self) -> None:
        for rule in AlertRule.objects.filter(is_built_in=True).exclude(condition="platform_broker"):
            assert run_rule(rule).last_error == ""


class TestTrial:
    """Try out a rule: the findings of now, and of the past."""

    def test_preview_changes_nothing(self) -> None:
        tenant = make_tenant()
        make_subscriber(tenant)
        make_failing(make_endpoint(tenant))
        found = preview(AlertRule(tenant=tenant, condition="endpoint_failing", settings={}))
        assert (found.total, len(found.findings), found.past) == (1, 1, [])
        assert occasions(tenant) == []

    @pytest.mark.parametrize(("minutes", "expected"), [(0, [1, 2]), (90, [2]), (180, [])])
    def test_hours_in_a_row_are_one_alert(self, minutes: int, expected: list[int]) -> None:
        noon = datetime(2030, 1, 31, 12, tzinfo=UTC)
        hours = [PastFinding("a", "A", noon + timedelta(hours=it)) for it in (0, 3, 4)]
        found = episodes(hours, minutes)
        assert [round((it.ends_at - it.begins_at).total_seconds() / 3600) for it in found] == expected
