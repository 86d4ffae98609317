"""Change an endpoint: settings, events, secrets, a test, pause and resume, recover since a moment, delete."""

from typing import Any, ClassVar

import orjson
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from delivery.portal import forms
from delivery.portal.endpoints.code_samples import CODE_SAMPLES
from delivery.portal.endpoints.new_endpoint import events_context, test_context
from delivery.portal.gate import POST_ONLY, PortalPage
from delivery.portal.rest import ApiResponse

OVERLAPS = (0, 3600, 86_400, 7 * 86_400)  # seconds to choose from


class ChangePage(PortalPage):
    """A page below an endpoint."""

    tab = "endpoints"
    operation = ("PATCH", "endpoint-detail")

    def failed(self, response: ApiResponse) -> HttpResponseBase:
        """Return a page that says why a button did not work."""
        return self.message(response.status, _("This did not work"), response.detail)


class Settings(ChangePage):
    """Show and change the settings of an endpoint."""

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the form."""
        return self.form(ref, {}, {})

    def post(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Change the settings."""
        sent, endpoint = request.POST, self.portal.read("endpoint-detail", ref)
        body: dict[str, Any] = {
            "description": sent.get("description", "").strip(),
            "timeout_ms": forms.number(request, "timeout_ms"),
            "rate_limit": forms.number(request, "rate_limit"),
            "max_in_flight": forms.number(request, "max_in_flight"),
        }
        if endpoint["type"] == "http":
            body["url"] = sent.get("url", "").strip()
        changed = self.portal.call("PATCH", "endpoint-detail", ref, body=body)
        if changed.ok:
            return self.done("saved", "portal-endpoint", ref)
        return self.form(ref, sent.dict(), forms.flattened(changed.errors), changed.status)

    def form(self, ref: str, values: dict[str, Any], errors: dict[str, str], status: int = 200) -> HttpResponseBase:
        """Return the form with what was typed, and what is wrong with it."""
        endpoint = self.portal.read("endpoint-detail", ref)
        context = {"endpoint": endpoint, "values": {**endpoint, **values}, "errors": errors}
        return self.page("endpoints/settings.html", context, status)


class Events(ChangePage):
    """Show and change the subscriptions of an endpoint."""

    operation = ("GET", "subscription-list")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the subscriptions, each as a form."""
        return self.form(ref, {}, {})

    def post(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Add, change or delete a subscription."""
        sent, which = request.POST, request.POST.get("subscription", "")
        try:
            body = {} if "delete" in sent else forms.subscription(sent)
        except forms.NotJson as error:
            return self.form(ref, sent.dict(), forms.not_json(error), 400)
        if "delete" in sent:
            changed = self.portal.call("DELETE", "subscription-detail", which)
        elif which:
            changed = self.portal.call("PATCH", "subscription-detail", which, body=body)
        else:
            changed = self.portal.call("POST", "subscription-list", body={**body, "endpoint": ref})
        if changed.ok:
            return self.done("removed" if "delete" in sent else "saved", "portal-endpoint-events", ref)
        return self.form(ref, sent.dict(), forms.flattened(changed.errors), changed.status)

    def form(self, ref: str, values: dict[str, Any], errors: dict[str, str], status: int = 200) -> HttpResponseBase:
        """Return all subscriptions; the one that was sent with what was typed, and what is wrong with it."""
        endpoint = self.portal.read("endpoint-detail", ref)
        found = self.portal.read("subscription-list", endpoint=ref)["data"]
        if values and values.get("subscription", "") not in ("", *(it["id"] for it in found)):
            return self.message(404, _("Not found"), _("It does not exist, or was deleted."))
        rows = [self._row(it, values, errors) for it in [*found, {"id": ""}]]
        return self.page("endpoints/events.html", {"endpoint": endpoint, "rows": rows}, status)

    def _row(self, subscription: dict[str, Any], values: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
        is_sent = bool(values) and values.get("subscription", "") == subscription["id"]
        if is_sent:
            chosen = self.request.POST.getlist("event_types")
            return {"subscription": subscription, "values": values, "errors": errors, "open": True} | events_context(
                self.portal, chosen, values
            )
        types, pattern = subscription.get("event_types", [forms.ALL_EVENTS]), subscription.get("pattern")
        own = events_context(self.portal, types, {})
        known = {it["name"] for it in [*own["types"], *own["platform_types"]]}
        shown = {
            "which": "all" if types == [forms.ALL_EVENTS] else "some",
            "more_types": " ".join(it for it in types if it not in known and it != forms.ALL_EVENTS),
            "filters": "on" if pattern else "",
            "pattern": orjson.dumps(pattern, option=orjson.OPT_INDENT_2).decode() if pattern else "",
        }
        return {"subscription": subscription, "values": shown, "errors": {}, "open": False, **own}


class Secrets(ChangePage):
    """Show when secrets were made and expire, and make a new one."""

    operation = ("GET", "endpoint-secrets")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the secrets, without their values."""
        return self.shown(ref, {})

    def post(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Make a new secret, and show it once; or end an old one at once."""
        if "delete" in request.POST:
            changed = self.portal.call("DELETE", "endpoint-secret", ref, request.POST["delete"])
            return self.done("ended", "portal-endpoint-secrets", ref) if changed.ok else self.failed(changed)
        body = {"overlap_seconds": forms.number(request, "overlap_seconds")}
        key = request.POST.get("key", "")
        created = self.portal.call("POST", "endpoint-secrets", ref, body=body, idempotency_key=key)
        if not created.ok:
            return self.shown(ref, {"errors": forms.flattened(created.errors)}, created.status)
        return self.shown(ref, {"secret": created.data.get("secret", "")})

    def shown(self, ref: str, context: dict[str, Any], status: int = 200) -> HttpResponseBase:
        """Return the page."""
        own = {
            "endpoint": self.portal.read("endpoint-detail", ref),
            "secrets": self.portal.read("endpoint-secrets", ref)["data"],
            "overlaps": OVERLAPS,
            "samples": CODE_SAMPLES,
        }
        return self.page("endpoints/secrets.html", {**own, **context}, status)


class Test(ChangePage):
    """Send a test event, and show the request and the response."""

    operation = ("POST", "endpoint-test")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the form."""
        return self.page("endpoints/test.html", {"endpoint": self.portal.read("endpoint-detail", ref), **self.own()})

    def post(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Send the test event; a script gets the result only."""
        result, errors = None, {}
        try:
            data = forms.json_field(request.POST, "data")
            wanted = {"type": request.POST.get("type") or None, "data": data}
            body = {name: value for name, value in wanted.items() if value is not None}
            sent = self.portal.call("POST", "endpoint-test", ref, body=body)
            result, errors = (sent.data, {}) if sent.ok else (None, sent.errors)
        except forms.NotJson as error:
            errors = forms.not_json(error)
        context = {"result": result, "errors": errors, "values": request.POST.dict()}
        if self.is_part:
            return self.page("endpoints/_test_result.html", {**context, "endpoint": {"id": ref}})
        return self.page(
            "endpoints/test.html",
            {"endpoint": self.portal.read("endpoint-detail", ref), **self.own(), **context},
        )

    def own(self) -> dict[str, Any]:
        """Return what the form needs."""
        return test_context(self.portal)


class Action(ChangePage):
    """Pause, resume or retry an endpoint by a button."""

    http_method_names = POST_ONLY
    STATES: ClassVar[dict[str, str]] = {"pause": "paused", "resume": "active"}
    NOTICES: ClassVar[dict[str, str]] = {
        "pause": "paused",
        "resume": "resumed",
        "retry": "retried",
        "verify": "verified",
    }

    def post(self, _request: HttpRequest, ref: str, action: str) -> HttpResponseBase:
        """Do it, and return to the page of the endpoint."""
        if action == "retry":
            changed = self.portal.call("POST", "endpoint-retry", ref)
        elif action == "verify":
            changed = self.portal.call("POST", "endpoint-verification", ref, body={"by": "event"})
        else:
            changed = self.portal.call("PATCH", "endpoint-detail", ref, body={"state": self.STATES[action]})
        return self.done(self.NOTICES[action], "portal-endpoint", ref) if changed.ok else self.failed(changed)


class Delete(ChangePage):
    """Delete an endpoint, after a question."""

    operation = ("DELETE", "endpoint-detail")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Ask."""
        return self.page("endpoints/delete.html", {"endpoint": self.portal.read("endpoint-detail", ref)})

    def post(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Delete it."""
        changed = self.portal.call("DELETE", "endpoint-detail", ref)
        if not changed.ok:
            return self.failed(changed)
        return self.done("deleted", "portal")


class Recover(ChangePage):
    """Send again what an endpoint did not get since a moment: preview first."""

    operation = ("POST", "replay-list")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the form."""
        return self.page("endpoints/recover.html", {"endpoint": self.portal.read("endpoint-detail", ref)})

    def post(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Count what would be sent, or send it."""
        sent = request.POST
        selected: dict[str, Any] = {"scope": sent.get("scope", "dead_letters"), "filter": {"endpoint": ref}}
        if since := forms.instant(sent.get("since", "")):
            selected["filter"]["since"] = since
        context = {"endpoint": self.portal.read("endpoint-detail", ref), "values": sent.dict()}
        if "start" in sent:
            done = self.portal.call("POST", "replay-list", body=selected, idempotency_key=sent.get("key", ""))
            context["replay"] = done.data if done.ok else None
        else:
            done = self.portal.call("POST", "replay-preview", body=selected)
            context["preview"] = done.data if done.ok else None
        context["errors"] = forms.flattened(done.errors)
        return self.page("endpoints/recover.html", context, 200 if done.ok else done.status)
