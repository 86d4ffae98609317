"""Create, edit, try, switch on and off and delete alert rules."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from delivery.portal import forms
from delivery.portal.gate import POST_ONLY, PortalPage, see_other
from delivery.portal.messages import endpoint_names
from delivery.portal.rest import ReadFailed

SHOWN_ALERTS = 10  # of a rule, on its page
SHOWN_PAST = 10  # alerts that a rule would have raised
NUMBERS = ("for_minutes", "keep_minutes", "reminder_minutes")
NEW = {"severity": "warning", "for_minutes": 0, "keep_minutes": 0, "enabled": "on"}


class RulePage(PortalPage):
    """A page about alert rules."""

    tab = "alerts"

    def condition(self, name: str) -> dict[str, Any]:
        """Return a condition that rules of the tenant can watch. Raises ReadFailed."""
        conditions = self.portal.read("alert-conditions")["data"]
        found: dict[str, Any] | None = next((it for it in conditions if it["name"] == name), None)
        if found is None:
            raise ReadFailed(404, "")
        return found

    def form_context(
        self, condition: dict[str, Any], values: Mapping[str, Any], errors: dict[str, str]
    ) -> dict[str, Any]:
        """Return what the form needs: what was typed, and what is wrong with it."""
        shown = [
            {**it, "value": values.get(f"setting.{it['name']}", it["default"]), "error": errors.get(it["name"], "")}
            for it in condition["settings"]
        ]
        return {
            "condition": condition,
            "settings": shown,
            "values": values,
            "errors": errors,
            "endpoints": endpoint_names(self),
            "has_mail": bool(settings.WAYPOST_MAIL_FROM or values.get("emails")),
        }


class ChooseCondition(RulePage):
    """Choose what a new rule watches."""

    operation = ("POST", "alert-rule-list")

    def get(self, _request: HttpRequest) -> HttpResponseBase:
        """Return the conditions, those about received messages last."""
        conditions = self.portal.read("alert-conditions")["data"]
        of_sources = [it for it in conditions if any(setting["name"] == "source" for setting in it["settings"])]
        others = [it for it in conditions if it not in of_sources]
        return self.page("alerts/choose.html", {"conditions": others, "of_sources": of_sources})


class NewRule(RulePage):
    """Create a rule."""

    operation = ("POST", "alert-rule-list")

    def get(self, _request: HttpRequest, condition: str) -> HttpResponseBase:
        """Return the form."""
        found = self.condition(condition)
        return self.form(found, {**NEW, "name": _(found["label"])}, {})

    def post(self, request: HttpRequest, condition: str) -> HttpResponseBase:
        """Create the rule, and show it."""
        found = self.condition(condition)
        body = {**body_in(request, found), "enabled": "enabled" in request.POST}
        created = self.portal.call("POST", "alert-rule-list", body=body, idempotency_key=request.POST.get("key", ""))
        if not created.ok:
            return self.form(found, sent_values(request.POST), errors_of(created.errors, found), created.status)
        return self.done("created", "portal-alert-rule", created.data["id"])

    def form(
        self, condition: dict[str, Any], values: dict[str, Any], errors: dict[str, str], status: int = 200
    ) -> HttpResponseBase:
        """Return the form with what was typed, and what is wrong with it."""
        return self.page("alerts/new.html", self.form_context(condition, values, errors), status)


class RuleDetail(RulePage):
    """One rule: its form, its alerts, and the buttons."""

    operation = ("GET", "alert-rule-detail")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the page of the rule."""
        rule = self.portal.read("alert-rule-detail", ref)
        return self.shown(rule, values_of(rule), {})

    def post(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Change the rule."""
        rule = self.portal.read("alert-rule-detail", ref)
        condition = self.condition(rule["condition"])
        changed = self.portal.call("PATCH", "alert-rule-detail", ref, body=body_in(request, condition))
        if changed.ok:
            return self.done("saved", "portal-alert-rule", ref)
        return self.shown(rule, sent_values(request.POST), errors_of(changed.errors, condition), changed.status)

    def shown(
        self, rule: dict[str, Any], values: dict[str, Any], errors: dict[str, str], status: int = 200
    ) -> HttpResponseBase:
        """Return the page with what was typed, and what is wrong with it."""
        context = {
            "rule": rule,
            "alerts": self.portal.read("alert-list", rule=rule["id"], limit=SHOWN_ALERTS)["data"],
            "tested": tested(self.request),
            **self.form_context(self.condition(rule["condition"]), values, errors),
        }
        return self.page("alerts/rule.html", context, status)


class RuleAction(RulePage):
    """Switch a rule on or off, send its test message, or delete it, by a button."""

    operation = ("PATCH", "alert-rule-detail")
    http_method_names = POST_ONLY

    def post(self, _request: HttpRequest, ref: str, action: str) -> HttpResponseBase:
        """Do it, and return to the page of the rule, or to the list."""
        match action:
            case "test":
                done = self.portal.call("POST", "alert-rule-test", ref)
            case "delete":
                done = self.portal.call("DELETE", "alert-rule-detail", ref)
            case _:
                done = self.portal.call("PATCH", "alert-rule-detail", ref, body={"enabled": action == "enable"})
        if not done.ok:
            return self.message(done.status, _("This did not work"), done.detail)
        if action == "test":
            return see_other(f"{reverse('portal-alert-rule', args=(ref,))}?tested={done.data['sent']}")
        if action == "delete":
            return self.done("deleted", "portal-alerts")
        return self.done(f"{action}d", "portal-alert-rule", ref)


class RulePreview(RulePage):
    """Tell where a condition holds and how often a rule would have fired yesterday, while its form is filled in."""

    operation = ("POST", "alert-rule-preview")

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Return a part of the page; always 200, since a part with another status is not shown."""
        condition = self.condition(request.POST.get("condition", ""))
        body = {
            "condition": condition["name"],
            "settings": settings_in(request.POST, condition),
            "for_minutes": forms.number(request, "for_minutes") or 0,
        }
        found = self.portal.call("POST", "alert-rule-preview", body=body)
        labels = {it["name"]: _(it["label"]) for it in condition["settings"]}
        errors = errors_of(found.errors, condition)
        context = {
            "found": found.data if found.ok else None,
            "past": (found.data["past"] or [])[:SHOWN_PAST] if found.ok else [],
            "errors": [f"{labels[name]}: {text}" if name in labels else text for name, text in errors.items()],
        }
        return self.page("alerts/_preview.html", context)


def tested(request: HttpRequest) -> int | None:
    """Return how many test messages the button has sent before this page; None if it was not pressed."""
    text = request.GET.get("tested", "")
    return int(text) if forms.INTEGER.fullmatch(text) else None


def body_in(request: HttpRequest, condition: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a rule in a form."""
    sent = request.POST
    numbers = {name: forms.number(request, name) for name in NUMBERS}
    return {
        "name": sent.get("name", "").strip(),
        "condition": condition["name"],
        "settings": settings_in(sent, condition),
        "severity": sent.get("severity", NEW["severity"]),
        "for_minutes": 0 if numbers["for_minutes"] is None else numbers["for_minutes"],
        "keep_minutes": 0 if numbers["keep_minutes"] is None else numbers["keep_minutes"],
        "reminder_minutes": numbers["reminder_minutes"],
        "channels": [
            *({"type": "endpoint", "endpoint": it} for it in sent.getlist("endpoints")),
            *({"type": "email", "email": it} for it in sent.get("emails", "").replace(",", " ").split()),
        ],
    }


def settings_in(sent: QueryDict, condition: dict[str, Any]) -> dict[str, Any]:
    """Return the settings in a form, in the types that the condition declares; without those that are empty."""
    given = {it["name"]: (it["type"], sent.get(f"setting.{it['name']}", "").strip()) for it in condition["settings"]}
    return {name: forms.typed(kind, text) for name, (kind, text) in given.items() if text}


def values_of(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a rule as its form shows it."""
    return {
        **{name: rule[name] for name in ("name", "severity", *NUMBERS)},
        **{f"setting.{name}": value for name, value in rule["settings"].items()},
        "endpoints": [it["endpoint"] for it in rule["channels"] if it["type"] == "endpoint"],
        "emails": "\n".join(it["email"] for it in rule["channels"] if it["type"] == "email"),
    }


def sent_values(sent: QueryDict) -> dict[str, Any]:
    """Return what was typed as the form shows it again."""
    return {**sent.dict(), "endpoints": sent.getlist("endpoints")}


def errors_of(errors: dict[str, str], condition: dict[str, Any]) -> dict[str, str]:
    """Return errors by the field of the form that shows them."""
    names = {f"settings.{it['name']}": it["name"] for it in condition["settings"]}
    own = {it: it for it in ("name", "severity", "channels", *NUMBERS)}
    return forms.by_field(errors, {**names, **own})
