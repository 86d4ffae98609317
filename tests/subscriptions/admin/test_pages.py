"""Check the admin's pages of tenants, plans, API keys, endpoints and subscriptions."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from subscriptions.models import ApiKey, Endpoint, EventType, Plan, Subscription, Tenant
from subscriptions.routing.grants import create_grant
from subscriptions.tenants import keys
from tests.factories import make_endpoint, make_event_type, make_key, make_plan, make_subscription, make_tenant
from tests.staff import staff
from webhooks.kit.encryption import decrypt
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db

MODELS = ["tenant", "apikey", "endpoint", "subscription", "eventtype"]


def listing(model: str) -> str:
    return reverse(f"admin:subscriptions_{model}_changelist")


def act(client: Client, model: str, action: str, *rows, **more):
    body = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(listing(model), body, follow=True)


@pytest.mark.parametrize("model", MODELS)
def test_list_and_page_open_without_secrets(model):
    secret, credential = new_secret(), "Bearer hunter2"
    endpoint = make_endpoint(secret=secret, headers={"authorization": credential})
    make_subscription(endpoint)
    make_key(endpoint.tenant)
    make_event_type(endpoint.tenant)
    client = staff(superuser=True)
    row = {"tenant": Tenant, "apikey": ApiKey, "endpoint": Endpoint, "eventtype": EventType}.get(model)
    row = row.objects.get() if row else endpoint.subscriptions.get()
    page = reverse(f"admin:subscriptions_{model}_change", args=[row.pk])
    for address in (listing(model), page):
        response = client.get(address)
        assert response.status_code == 200
        assert (row.name if model == "eventtype" else row.public_id) in response.text
        assert secret not in response.text
        assert credential not in response.text


@pytest.mark.parametrize("model", MODELS)
def test_list_counts_no_table(model, django_assert_max_num_queries):
    client = staff(superuser=True)
    with django_assert_max_num_queries(20) as queries:
        client.get(listing(model))
    assert not [query for query in queries.captured_queries if "COUNT(" in query["sql"].upper()]


@pytest.mark.parametrize("term", ["id", "uid"])
def test_search_finds_row_by_id_or_uid(term):
    found, other = make_endpoint(uid="main"), make_endpoint(uid="other")
    response = staff(superuser=True).get(listing("endpoint"), {"q": found.public_id if term == "id" else "main"})
    assert found.public_id in response.text
    assert other.public_id not in response.text


def test_subscriptions_are_listed_with_tenant_and_endpoint_and_found_by_either():
    tenant, other = make_tenant(name="Nordwind"), make_tenant(name="Acme")
    mine = make_subscription(make_endpoint(tenant, description="Warehouse"), event_types=["order.*", "invoice.paid"])
    make_subscription(make_endpoint(other, description="Mailer"))
    client = staff(superuser=True)
    for query in ({"q": tenant.public_id}, {"q": mine.endpoint.public_id}, {"tenant__id__exact": str(tenant.pk)}):
        shown = client.get(listing("subscription"), query).text
        for part in (
            "order.*, invoice.paid",
            "Warehouse",
            reverse("admin:subscriptions_tenant_change", args=[tenant.pk]),
        ):
            assert part in shown
        assert "Mailer" not in shown


def test_plans_are_listed_with_separators_units_and_words():
    make_plan(name="Big", events_per_month=1_000_000_000, max_event_bytes=262_144, max_sources=None, is_default=True)
    shown = staff(superuser=True).get(listing("plan")).text
    for part in ("1,000,000,000", 'title="262,144 bytes"', "no limit", ">default</span>"):
        assert part in shown


def test_key_is_listed_with_a_link_to_its_tenant():
    key, _ = make_key(make_tenant(name="Nordwind"))
    assert (
        reverse("admin:subscriptions_tenant_change", args=[key.tenant_id])
        in staff(superuser=True).get(listing("apikey")).text
    )


def test_page_of_a_subscription_shows_pattern_and_transformer_or_that_there_is_none():
    plain = make_subscription(make_endpoint())
    made = make_subscription(make_endpoint(), pattern={"data": {"town": ["Köln"]}}, transformer={"jsonata": "data"})
    client = staff(superuser=True)
    shown = client.get(reverse("admin:subscriptions_subscription_change", args=[made.pk])).text
    assert "Köln" in shown
    assert "jsonata" in shown
    shown = client.get(reverse("admin:subscriptions_subscription_change", args=[plain.pk])).text
    assert "None: every event of these types" in shown
    assert "None: the event as it is" in shown


def test_subscription_by_labels_is_listed_with_them():
    Subscription.objects.create(tenant=make_tenant(), endpoint_labels={"region": "eu"}, event_types=["*"])
    assert "region: eu" in staff(superuser=True).get(listing("subscription")).text


@pytest.mark.parametrize("term", ["nothing", "tnt_01m83t2ghzevcannga6my0tf3k", "'"])
def test_search_for_unknown_term_finds_nothing(term):
    endpoint = make_endpoint()
    response = staff(superuser=True).get(listing("endpoint"), {"q": term})
    assert response.status_code == 200
    assert endpoint.public_id not in response.text


@pytest.mark.parametrize(
    ("action", "state", "becomes"),
    [("pause", "active", "paused"), ("enable", "paused", "active"), ("disable", "active", "disabled")],
)
def test_operator_changes_state_of_endpoint_and_it_is_logged(action, state, becomes):
    endpoint = make_endpoint(state=state)
    asked = {"confirmed": "yes", "reason": "It floods the log"} if action == "disable" else {}
    act(staff("view_endpoint", "change_endpoint"), "endpoint", action, endpoint, **asked)
    endpoint.refresh_from_db()
    assert endpoint.state == becomes
    assert LogEntry.objects.get().object_id == str(endpoint.pk)


@pytest.mark.parametrize(("model", "action"), [("endpoint", "disable"), ("apikey", "revoke"), ("grant", "end")])
def test_action_that_hurts_asks_first(model, action):
    made = {
        "endpoint": make_endpoint,
        "apikey": lambda: make_key(make_tenant())[0],
        "grant": lambda: create_grant(make_tenant(), make_tenant(), event_types=["order.*"]),
    }
    row = made[model]()
    asked = act(staff(f"view_{model}", f"change_{model}"), model, action, row)
    assert asked.status_code == 200
    assert row.public_id in asked.text
    assert 'name="confirmed" value="yes"' in asked.text
    row.refresh_from_db()
    assert getattr(row, "state", "active") == "active"
    assert getattr(row, "revoked_at", None) is None
    assert getattr(row, "ended_at", None) is None


def test_disabling_without_a_reason_asks_again():
    endpoint = make_endpoint()
    asked = act(staff("view_endpoint", "change_endpoint"), "endpoint", "disable", endpoint, confirmed="yes")
    assert "This field is required." in asked.text
    endpoint.refresh_from_db()
    assert endpoint.state == "active"


def test_rejected_action_is_reported_and_not_logged():
    endpoint = make_endpoint(state="disabled", disabled_reason="responded_410")
    response = act(staff("view_endpoint", "change_endpoint"), "endpoint", "pause", endpoint)
    assert "The endpoint is disabled." in response.text
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("model", "action"),
    [
        ("endpoint", "pause"),
        ("endpoint", "enable"),
        ("endpoint", "disable"),
        ("endpoint", "rotate"),
        ("apikey", "revoke"),
    ],
)
def test_permission_to_view_does_not_allow_actions(model, action):
    endpoint = make_endpoint(state="paused")
    key, text = make_key()
    row = endpoint if model == "endpoint" else key
    act(staff(f"view_{model}"), model, action, row, confirmed="yes")
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.secrets.count()) == ("paused", 1)
    assert keys.find_key(text)


def test_rotation_asks_first_and_shows_the_secret_once():
    endpoint = make_endpoint()
    client = staff("view_endpoint", "add_signingsecret")
    confirmation = act(client, "endpoint", "rotate", endpoint)
    assert "Rotate" in confirmation.text
    assert endpoint.secrets.count() == 1
    shown = act(client, "endpoint", "rotate", endpoint, confirmed="yes")
    assert decrypt(endpoint.secrets.get(expires_at=None).ciphertext) in shown.text.replace("&#x2B;", "+")
    assert shown["Cache-Control"].startswith("no-store")
    assert "whsec_" not in client.get(listing("endpoint")).text
    assert "rotated" in LogEntry.objects.get().get_change_message()


def test_new_key_is_shown_once():
    tenant = make_tenant()
    client = staff("view_apikey", "add_apikey")
    body = {"tenant": tenant.pk, "name": "backend", "scopes": ["read"], "expires_at_0": "", "expires_at_1": ""}
    shown = client.post(reverse("admin:subscriptions_apikey_add"), body)
    key = ApiKey.objects.get()
    assert (key.tenant, key.name, key.scopes) == (tenant, "backend", ["read"])
    assert shown["Cache-Control"].startswith("no-store")
    text = shown.text[shown.text.index(f">{key.key_prefix}") + 1 :]
    assert keys.find_key(text[text.index("wp_", 3) :][:46]) == key


def test_rotated_key_is_shown_once_and_the_old_one_ends():
    key, text = make_key(make_tenant(), name="backend")
    client = staff("view_apikey", "add_apikey")
    confirmation = act(client, "apikey", "rotate", key)
    assert "backend" in confirmation.text
    assert ApiKey.objects.count() == 1
    shown = act(client, "apikey", "rotate", key, confirmed="yes")
    created = ApiKey.objects.exclude(pk=key.pk).get()
    assert created.key_prefix in shown.text
    assert shown["Cache-Control"].startswith("no-store")
    key.refresh_from_db()
    assert key.expires_at is not None
    assert keys.find_key(text) == key


@pytest.mark.parametrize(
    ("given", "scopes"),
    [
        ({"role": "viewer"}, ["read"]),
        ({"role": "operator", "scopes": ["read"]}, ["read"]),
    ],
)
def test_new_key_has_the_scopes_of_its_role(given, scopes):
    body = {"name": "on call", "expires_at_0": "", "expires_at_1": "", **given}
    staff("view_apikey", "add_apikey").post(reverse("admin:subscriptions_apikey_add"), body)
    key = ApiKey.objects.get()
    assert (key.role, key.scopes) == (given["role"], scopes)


@pytest.mark.parametrize("given", [{}, {"role": "viewer", "scopes": ["manage"]}])
def test_key_without_scopes_or_beyond_its_role_is_refused(given):
    body = {"name": "on call", "expires_at_0": "", "expires_at_1": "", **given}
    shown = staff("view_apikey", "add_apikey").post(reverse("admin:subscriptions_apikey_add"), body)
    assert "scopes" in shown.context["adminform"].form.errors
    assert not ApiKey.objects.exists()


def test_revoked_key_is_invalid():
    key, text = make_key()
    act(staff("view_apikey", "change_apikey"), "apikey", "revoke", key, confirmed="yes")
    assert keys.find_key(text) is None


def test_tenant_is_validated_as_over_rest():
    client = staff("view_tenant", "add_tenant")
    address = reverse("admin:subscriptions_tenant_add")
    body = {"name": "Acme", "uid": "acme", "metadata": "{}", "retention_days": 90}
    for wrong in ({"uid": "a b"}, {"name": "a\x07"}, {"metadata": '{"a": {"b": {"c": {"d": {"e": 1}}}}}'}):
        client.post(address, {**body, **wrong})
    assert not Tenant.objects.exists()
    client.post(address, body)
    assert Tenant.objects.get().uid == "acme"
    client.post(address, {**body, "uid": ""})
    assert Tenant.objects.filter(uid=None).exists()


@pytest.mark.parametrize("model", MODELS)
def test_row_cannot_be_deleted(model):
    endpoint = make_endpoint()
    make_subscription(endpoint)
    make_key(endpoint.tenant)
    row = {"tenant": endpoint.tenant, "endpoint": endpoint}.get(model)
    row = row or (ApiKey.objects.get() if model == "apikey" else endpoint.subscriptions.get())
    client = staff(superuser=True)
    assert (
        client.post(reverse(f"admin:subscriptions_{model}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    )


def test_saving_a_default_plan_replaces_the_previous_default():
    client = staff("view_plan", "add_plan", "change_plan")
    before = make_plan(is_default=True)
    fields = {"name": "Starter", "uid": "starter", "is_default": "on", "events_per_month": "1000"}
    client.post(reverse("admin:subscriptions_plan_add"), {**fields, "publish_rate": "0"})
    assert not Plan.objects.filter(uid="starter").exists()
    client.post(reverse("admin:subscriptions_plan_add"), fields)
    plan = Plan.objects.get(uid="starter")
    assert (plan.is_default, plan.events_per_month, plan.max_endpoints) == (True, 1000, None)
    assert list(Plan.objects.filter(is_default=True)) == [plan]
    client.post(reverse("admin:subscriptions_plan_change", args=[before.pk]), {"name": "Old", "is_default": "on"})
    assert Plan.objects.get(is_default=True).name == "Old"


def test_retention_above_the_plans_limit_is_rejected():
    client = staff("view_tenant", "change_tenant")
    tenant, plan = make_tenant(), make_plan(max_retention_days=30)
    page = reverse("admin:subscriptions_tenant_change", args=[tenant.pk])
    fields = {"name": "Acme", "metadata": "{}", "plan": str(plan.pk)}
    assert "Must be at most 30 days" in client.post(page, {**fields, "retention_days": "31"}).content.decode()
    client.post(page, {**fields, "retention_days": "30"})
    tenant.refresh_from_db()
    assert (tenant.plan, tenant.retention_days) == (plan, 30)


def tenant_form(**changes):
    given = {"name": "Acme", "uid": "acme", "plan": "", "labels": "{}", "metadata": "{}", "retention_days": "30"}
    return {**given, **changes}


def test_treatment_of_unknown_event_types_is_set_and_reset():
    client = staff("view_tenant", "change_tenant")
    tenant = make_tenant()
    page = reverse("admin:subscriptions_tenant_change", args=[tenant.pk])
    for chosen, stored in (("refuse", "refuse"), ("some", "refuse"), ("", "")):
        client.post(page, tenant_form(unknown_event_types=chosen))
        tenant.refresh_from_db()
        assert tenant.unknown_event_types == stored


def test_tenant_is_added_with_labels_and_found_by_them():
    client = staff("view_tenant", "add_tenant")
    client.post(reverse("admin:subscriptions_tenant_add"), tenant_form(labels='{"plan": "gold"}'))
    assert Tenant.objects.get().labels == {"plan": "gold"}
    assert "plan:gold" in client.get(listing("tenant")).text


@pytest.mark.parametrize("labels", ['{"a b": "c"}', '{"a": 1}', "[]", '{"a": ""}'])
def test_labels_that_no_filter_can_name_are_refused(labels):
    client = staff("view_tenant", "add_tenant")
    shown = client.post(reverse("admin:subscriptions_tenant_add"), tenant_form(labels=labels))
    assert shown.status_code == 200
    assert not Tenant.objects.exists()


def test_new_tenant_of_the_platform_replaces_the_former_one():
    former, other = make_tenant(is_platform=True), make_tenant(uid="acme")
    client = staff("view_tenant", "change_tenant")
    page = reverse("admin:subscriptions_tenant_change", args=[other.pk])
    assert client.post(page, tenant_form(is_platform="on")).status_code == 302
    former.refresh_from_db(), other.refresh_from_db()
    assert (former.is_platform, other.is_platform) == (False, True)
    client.post(page, tenant_form())
    other.refresh_from_db()
    assert not other.is_platform
