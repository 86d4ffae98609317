"""Open every page and use every action and verb of the admin in each role: no 500, no verb that the role may not use.

The pages, actions and verbs are those that are registered; PAGES and ACTIONS say which permission each needs. One that
is missing there fails the test.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.admin.users import USERS
from delivery.admin import operations
from delivery.models import Alert, AlertRule, DeadLetter, Delivery, Event, Lane, Schedule
from subscriptions.admin.endpoint_operations.operation import ENDPOINTS
from subscriptions.admin.row_operations import Operations
from subscriptions.admin.tenant_operations import TENANTS
from subscriptions.models import Endpoint, HttpSettings, Role, Tenant
from subscriptions.tenants.roles import OURS, allows
from tests.config.admin.pages import WITHOUT_ROWS, Form, forms_of, make_rows, page_of, signed_in
from webhooks.audit.models import AuditEntry
from webhooks.models import Receipt, Source

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

OF_DJANGO = {"changelist", "add", "history", "delete", "change", "autocomplete", "password_change"}
CHANGE_ENDPOINT, CHANGE_SOURCE = ("subscriptions.change_endpoint", "webhooks.change_source")
BY_OPERATION = "by operation"
PAGES = {
    "delivery_alert_acknowledge": "delivery.acknowledge_alert",
    "delivery_alert_snooze_hour": "delivery.acknowledge_alert",
    "delivery_alert_snooze_day": "delivery.acknowledge_alert",
    "delivery_alertrule_test": "delivery.change_alertrule",
    "delivery_broadcast_cancel": "delivery.change_broadcast",
    "delivery_deadletter_replay": "delivery.add_replay",
    "delivery_deadletter_operation": "delivery.change_deadletter",
    "delivery_deadletterjob_cancel": "delivery.change_deadletterjob",
    "delivery_delivery_attempt": "delivery.view_delivery",
    "delivery_delivery_operation": "delivery.change_delivery",
    "delivery_erasure_cancel": "delivery.erase_event",
    "delivery_event_find": "delivery.view_event",
    "delivery_event_replay": "delivery.add_replay",
    "delivery_replay_cancel": "delivery.change_replay",
    "delivery_schedule_run": "delivery.change_schedule",
    "delivery_schedule_pause": "delivery.change_schedule",
    "delivery_schedule_resume": "delivery.change_schedule",
    "auth_user_operation": BY_OPERATION,
    "subscriptions_endpoint_edit": CHANGE_ENDPOINT,
    "subscriptions_endpoint_masks": CHANGE_ENDPOINT,
    "subscriptions_endpoint_operation": BY_OPERATION,
    "subscriptions_endpoint_results": CHANGE_ENDPOINT,
    "subscriptions_endpoint_secrets": "subscriptions.add_signingsecret",
    "subscriptions_endpoint_test": CHANGE_ENDPOINT,
    "subscriptions_tenant_operation": BY_OPERATION,
    "webhooks_auditentry_export": "webhooks.view_auditentry",
    "webhooks_receipt_body": "webhooks.view_payload",
    "webhooks_receipt_replay": "webhooks.replay_receipt",
    "webhooks_receiptreplay_cancel": "webhooks.change_receiptreplay",
    "webhooks_source_edit": CHANGE_SOURCE,
    "webhooks_source_replay": "webhooks.replay_receipt",
    "webhooks_source_secrets": "webhooks.add_sourcesecret",
    "webhooks_source_test": CHANGE_SOURCE,
}
OF_OTHER_KINDS = {"subscriptions_endpoint_settings", "webhooks_source_reading"}  # 404 for an endpoint or source of HTTP
ONLY_SHOW = {"delivery_delivery_attempt", "delivery_event_find", "webhooks_auditentry_export", "webhooks_receipt_body"}
ACTIONS = {
    "delivery.alert.acknowledge_selected": "delivery.acknowledge_alert",
    "delivery.alertrule.disable_selected": "delivery.change_alertrule",
    "delivery.alertrule.enable_selected": "delivery.change_alertrule",
    "delivery.alertrule.delete_selected": "delivery.delete_alertrule",
    "delivery.deadletter.acknowledge_selected": "delivery.change_deadletter",
    "delivery.deadletter.discard_selected": "delivery.change_deadletter",
    "delivery.deadletter.replay_selected": "delivery.add_replay",
    "delivery.delivery.cancel": "delivery.change_delivery",
    "delivery.delivery.move_to_dead_letters": "delivery.change_delivery",
    "delivery.delivery.resend": "delivery.change_delivery",
    "delivery.delivery.retry_now": "delivery.change_delivery",
    "delivery.event.send_again": "delivery.add_replay",
    "delivery.lane.retry_now": "delivery.change_delivery",
    "delivery.schedule.delete_selected": "delivery.delete_schedule",
    "delivery.schedule.pause_selected": "delivery.change_schedule",
    "delivery.schedule.resume_selected": "delivery.change_schedule",
    "subscriptions.apikey.revoke": "subscriptions.change_apikey",
    "subscriptions.apikey.rotate": "subscriptions.add_apikey",
    "subscriptions.endpoint.disable": CHANGE_ENDPOINT,
    "subscriptions.endpoint.enable": CHANGE_ENDPOINT,
    "subscriptions.endpoint.pause": CHANGE_ENDPOINT,
    "subscriptions.endpoint.rotate": "subscriptions.add_signingsecret",
    "subscriptions.grant.end": "subscriptions.change_grant",
    "webhooks.receipt.replay_selected": "webhooks.replay_receipt",
    "webhooks.source.pause": CHANGE_SOURCE,
    "webhooks.source.resume": CHANGE_SOURCE,
    "auth.group.delete_selected": "auth.delete_group",
    "auth.user.delete_selected": "auth.delete_user",
}
FILLED = {"reason": "Broken", "note": "Known", "rate": "10", "overlap_seconds": "60"}


@dataclass(frozen=True)
class Verb:
    """A page that does something with a row, or shows something of it, and the permission that it needs."""

    name: str
    permission: str
    path: str
    row: Any = None
    variant: str = ""
    query: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def verbs(rows: dict[type[Model], Any]) -> Iterator[Verb]:
    """Yield every page of the registered ones that is none of Django's own."""
    for model, page in admin.site._registry.items():
        for pattern in page.get_urls():
            name = str(pattern.name or "")
            if not name or name.removeprefix(f"{model._meta.app_label}_{model._meta.model_name}_") in OF_DJANGO:
                continue
            if name in OF_OTHER_KINDS or model._meta.app_label not in (*OURS, "auth"):
                continue
            yield from _variants(name, rows.get(model), rows)


def _variants(name: str, row: Any, rows: dict[type[Model], Any]) -> Iterator[Verb]:
    assert name in PAGES, f"say in PAGES which permission {name} needs"
    if PAGES[name] == BY_OPERATION:
        registered: dict[type[Model], Operations[Any]] = {Endpoint: ENDPOINTS, Tenant: TENANTS, User: USERS}
        for it in registered[row._meta.model].by_name.values():
            if it.run is not None:
                yield Verb(name, it.permission, reverse(f"admin:{name}", args=[row.pk, it.name]), row, it.name)
    elif name in (queries := queries_of(rows)):
        for query in queries[name]:
            yield Verb(name, PAGES[name], reverse(f"admin:{name}"), row, query.get("what", ""), query)
    else:
        more = [1] if name == "delivery_delivery_attempt" else []
        yield Verb(name, PAGES[name], reverse(f"admin:{name}", args=[row.pk, *more]), row)


def queries_of(rows: dict[type[Model], Any]) -> dict[str, list[dict[str, str]]]:
    """Return what the pages that are about no single row are asked for."""
    letter, event, delivery = (rows[it].public_id for it in (DeadLetter, Event, Delivery))
    return {
        "delivery_delivery_operation": [{"what": it, "ids": delivery} for it in operations.OPERATIONS],
        "delivery_deadletter_operation": [{"what": it, "ids": letter} for it in ("discard", "acknowledge")],
        "delivery_deadletter_replay": [{"ids": letter}],
        "delivery_event_replay": [{"ids": event, "scope": "events", "tenant": rows[Tenant].public_id}],
        "delivery_event_find": [{"q": "order"}],
        "webhooks_auditentry_export": [{}],
    }


def prepare(what: str, rows: dict[type[Model], Any]) -> None:
    """Bring the rows into the state in which an action or a verb does something."""
    is_undone = what in ("resume", "enable", "enable_selected", "resume_selected")
    endpoint = Endpoint.objects.filter(pk=rows[Endpoint].pk)
    HttpSettings.objects.filter(endpoint__in=endpoint).update(verification=HttpSettings.Verification.VERIFIED)
    if is_undone:
        state = "paused" if what == "resume" else "disabled"
        endpoint.update(state=state, disabled_reason="operator" if state == "disabled" else "")
        Source.objects.filter(pk=rows[Source].pk).update(paused_at=timezone.now())
        Schedule.objects.filter(pk=rows[Schedule].pk).update(state="paused")
        AlertRule.objects.filter(pk=rows[AlertRule].pk).update(enabled=False)
    if what in ("retry", "set-aside", "cancel", "retry_now", "move_to_dead_letters"):
        due_at = timezone.now() + timedelta(hours=1)
        Delivery.objects.filter(pk=rows[Delivery].pk).update(state="pending", next_attempt_at=due_at)
    Lane.objects.filter(pk=rows[Lane].pk).update(due_at=timezone.now())
    Receipt.objects.filter(pk=rows[Receipt].pk).update(
        dead_at=timezone.now(), due_at=None, cause="exhausted", processed_at=None
    )


def submit(client: Client, path: str, form: Form) -> HttpResponse:
    """Send a form, with what a user has to fill in; follow to the page that is shown then."""
    values: dict[str, Any] = {**form.values}
    values |= {name: text for name, text in FILLED.items() if name in values and not any(values[name])}
    values |= {name: "Changed" for name in ("name", "description") if name in values}
    response: HttpResponse = client.post(form.action or path, values, follow=True)
    return response


def use(client: Client, verb: Verb) -> HttpResponse:
    """Open a page and confirm what it asks; or post to it, if it has no page."""
    opened: HttpResponse = client.get(verb.address)
    if opened.status_code == 405:
        return client.post(verb.address, follow=True)
    if opened.status_code != 200 or verb.name in ONLY_SHOW:
        return opened
    return submit(client, verb.address, forms_of(opened)[-1])


def entries() -> int:
    """Return the number of entries about a row; a request that did nothing to any leaves one about itself."""
    return AuditEntry.objects.exclude(object_type="").count()


def shown_on(client: Client, verb: Verb) -> bool:
    """Return whether the page of the row has a link or a button for this."""
    model = verb.row._meta.model
    text = client.get(page_of(model, "change", verb.row.pk)).content.decode().replace("&amp;", "&")
    return f'"{verb.path}' in text if "what" not in verb.query else f"what={verb.variant}" in text


@pytest.mark.parametrize("role", Role.values)
def test_role_opens_the_pages_that_it_may_see_and_no_others(role: str) -> None:
    _, rows = make_rows()
    client = signed_in(Role(role))
    for model in admin.site._registry:
        label, name = model._meta.app_label, model._meta.model_name
        may_see = allows(role, f"{label}.view_{name}")
        found = client.get(page_of(model, "changelist"))
        assert found.status_code == (200 if may_see else 403), (model, found.status_code)
        added = client.get(page_of(model, "add"))
        assert added.status_code in (200, 403), model
        assert added.status_code == 403 or allows(role, f"{label}.add_{name}") or allows(role, "delivery.erase_event")
        if model not in WITHOUT_ROWS:
            for page in ("change", "history"):
                response = client.get(page_of(model, page, rows[model].pk))
                assert response.status_code == (200 if may_see else 403), (model, page, response.status_code)


@pytest.mark.parametrize("role", Role.values)
def test_role_uses_the_verbs_that_it_may_use_and_is_shown_no_others(role: str) -> None:
    _, rows = make_rows()
    client = signed_in(Role(role))
    for verb in verbs(rows):
        with transaction.atomic():
            prepare(verb.variant or verb.name.rpartition("_")[2], rows)
            where = f"{role}: {verb.address}"
            is_allowed = allows(role, verb.permission)
            if verb.row is not None and verb.name not in ONLY_SHOW:
                assert shown_on(client, verb) == is_allowed, where
            before = entries()
            response = use(client, verb)
            if not is_allowed:
                assert response.status_code == 403, where
                assert client.post(verb.address).status_code == 403, where
                assert entries() == before, where
            else:
                assert response.status_code == 200, (where, response.status_code)
                form = (response.context or {}).get("form")
                assert verb.name in ONLY_SHOW or entries() > before, (where, getattr(form, "errors", form))
            transaction.set_rollback(True)


def actions_of(model: type[Model]) -> list[str]:
    page = admin.site._registry[model]
    declared = [it if isinstance(it, str) else it.__name__ for it in page.actions or ()]
    deletes = getattr(page, "has_delete_permission", None) is not None and _may_be_deleted(page)
    return [*declared, *(["delete_selected"] if deletes else [])]


def _may_be_deleted(page: Any) -> bool:
    """Return whether rows can be deleted on a page."""
    label = f"{page.opts.app_label}.{page.opts.model_name}"
    return f"{label}.delete_selected" in ACTIONS


@pytest.mark.parametrize("role", Role.values)
def test_role_runs_the_actions_that_it_may_run_and_is_offered_no_others(role: str) -> None:
    _, rows = make_rows()
    client = signed_in(Role(role))
    for model in admin.site._registry:
        if model in WITHOUT_ROWS:
            continue
        label = f"{model._meta.app_label}.{model._meta.model_name}"
        address = page_of(model, "changelist")
        offered = client.get(address).content.decode()
        for name in actions_of(model):
            assert f"{label}.{name}" in ACTIONS, f"say in ACTIONS which permission {label}.{name} needs"
            is_allowed = allows(role, ACTIONS[f"{label}.{name}"])
            where = f"{role}: {label}.{name}"
            assert (f'<option value="{name}"' in offered) == is_allowed, where
            with transaction.atomic():
                prepare(name, rows)
                before = entries()
                chosen = {"action": name, "_selected_action": [str(rows[model].pk)], "index": "0"}
                response = client.post(address, chosen, follow=True)
                assert response.status_code in ((200,) if is_allowed else (200, 403)), where
                if is_allowed and entries() == before:
                    path = urlsplit(response.redirect_chain[-1][0]) if response.redirect_chain else None
                    page = address if path is None else path.geturl()
                    assert forms_of(response), where
                    response = submit(client, page, forms_of(response)[-1])
                    assert response.status_code == 200, where
                newest = AuditEntry.objects.order_by("-id").first()
                assert (entries() > before) == is_allowed, (where, newest and (newest.action, newest.operation))
                transaction.set_rollback(True)


def test_page_that_asks_before_a_deletion_says_in_words_what_is_deleted() -> None:
    _, rows = make_rows()
    rows[User].groups.add(rows[Group])
    rows[User].user_permissions.set(rows[Group].permissions.all()[:1])
    client = signed_in(Role.ADMINISTRATOR)
    asked = set()
    for model in admin.site._registry.keys() - WITHOUT_ROWS:
        response = client.get(page_of(model, "delete", rows[model].pk))
        if response.status_code == 200:
            asked.add(model)
            assert " object (" not in response.content.decode(), model
    assert {User, Group, Schedule, AlertRule} <= asked


def test_every_page_and_action_of_the_lists_exists() -> None:
    _, rows = make_rows()
    assert {verb.name for verb in verbs(rows)} == set(PAGES)
    models = admin.site._registry
    known = {f"{it._meta.app_label}.{it._meta.model_name}.{name}" for it in models for name in actions_of(it)}
    assert known == set(ACTIONS)
    assert Alert.objects.exists()
