"""Add an endpoint: a URL or a connector, the events that it gets, its secret with code that verifies it, and a test."""

from typing import Any

import orjson
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from delivery.portal import forms
from delivery.portal.endpoints.code_samples import CODE_SAMPLES
from delivery.portal.gate import PortalPage
from delivery.portal.rest import Portal

SAMPLE = {"type": "example.event", "data": {"total": 129.5}}
MOST_TYPES = 250  # shown to choose from; any other can be typed


class NewEndpoint(PortalPage):
    """Choose between a URL and the connectors."""

    tab = "endpoints"
    operation = ("POST", "endpoint-list")

    def get(self, _request: HttpRequest) -> HttpResponseBase:
        """Return the page."""
        return self.page("endpoints/choose.html", {"connectors": self.portal.read("connectors")["data"]})


class NewHttpEndpoint(PortalPage):
    """Add an endpoint at a URL."""

    tab = "endpoints"
    operation = ("POST", "endpoint-list")

    def get(self, _request: HttpRequest) -> HttpResponseBase:
        """Return the form."""
        return self.form({"which": "all"}, {})

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Create the endpoint, and show its secret once."""
        sent = request.POST
        try:
            body = {
                "url": sent.get("url", "").strip(),
                "description": sent.get("description", "").strip(),
                "subscriptions": [forms.subscription(sent)],
            }
        except forms.NotJson as error:
            return self.form(sent.dict(), forms.not_json(error), 400)
        created = self.portal.call("POST", "endpoint-list", body=body, idempotency_key=sent.get("key", ""))
        if not created.ok:
            return self.form(sent.dict(), forms.flattened(created.errors), created.status)
        return self.page("endpoints/created.html", created_context(self.portal, created.data))

    def form(self, values: dict[str, Any], errors: dict[str, str], status: int = 200) -> HttpResponseBase:
        """Return the form with what was typed, and what is wrong with it."""
        chosen = self.request.POST.getlist("event_types")
        context = {"values": values, "errors": errors, **events_context(self.portal, chosen, values)}
        return self.page("endpoints/new.html", context, status)


class NewConnectorEndpoint(PortalPage):
    """Add an endpoint for a known system, by its connector."""

    tab = "endpoints"
    operation = ("POST", "connector-endpoints")

    def get(self, _request: HttpRequest, connector: str) -> HttpResponseBase:
        """Return the form."""
        return self.form(connector, {"which": "all"}, {})

    def post(self, request: HttpRequest, connector: str) -> HttpResponseBase:
        """Create the endpoint; with the button to preview, show the request that it would get."""
        sent, described = request.POST, self.portal.read("connector", connector)
        settings, credentials = settings_in(sent, described)
        own = {"settings": settings, "credentials": credentials}
        transformer = jsonata_in(sent)
        if "preview" in sent:
            tried = {"settings": settings, "transformer": transformer}
            shown = self.portal.call("POST", "connector-preview", connector, body=tried)
            if shown.ok:
                return self.form(connector, sent.dict(), {}, preview=shown.data)
            return self.form(connector, sent.dict(), setting_errors(shown.errors), shown.status)
        try:
            body = {
                **own,
                "description": sent.get("description", "").strip(),
                "subscriptions": [{**forms.subscription(sent), "transformer": transformer}],
            }
        except forms.NotJson as error:
            return self.form(connector, sent.dict(), forms.not_json(error), 400)
        key = sent.get("key", "")
        created = self.portal.call("POST", "connector-endpoints", connector, body=body, idempotency_key=key)
        if not created.ok:
            return self.form(connector, sent.dict(), setting_errors(created.errors), created.status)
        return self.page("endpoints/created.html", created_context(self.portal, created.data))

    def form(
        self, connector: str, values: dict[str, Any], errors: dict[str, str], status: int = 200, preview: Any = None
    ) -> HttpResponseBase:
        """Return the form with what was typed, and what is wrong with it."""
        described = self.portal.read("connector", connector)
        chosen = self.request.POST.getlist("event_types")
        context = {
            "connector": described,
            "settings": [
                {**it, "value": values.get(f"setting.{it['name']}", it["default"]), "error": errors.get(it["name"], "")}
                for it in described["settings"]
            ],
            "values": values,
            "errors": errors,
            "preview": preview,
            **events_context(self.portal, chosen, values),
        }
        return self.page("endpoints/new_connector.html", context, status)


class Match(PortalPage):
    """Say whether a sample event matches the chosen events and the pattern, while they are typed."""

    operation = ("POST", "subscription-test")

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Return a part of the page; always 200, since a part with another status is not shown."""
        try:
            sample = forms.json_field(request.POST, "sample")
            wanted = forms.subscription(request.POST)
        except forms.NotJson as error:
            return self.page("endpoints/_match.html", {"errors": forms.not_json(error)})
        if not isinstance(sample, dict):
            return self.page("endpoints/_match.html", {"errors": {}})
        if not wanted["event_types"]:
            return self.page("endpoints/_match.html", {"no_types": True})
        tested = self.portal.call("POST", "subscription-test", body={**wanted, "event": sample})
        result = tested.data["data"][0] if tested.ok else None
        return self.page("endpoints/_match.html", {"errors": forms.flattened(tested.errors), "result": result})


def events_context(portal: Portal, chosen: list[str], values: dict[str, Any]) -> dict[str, Any]:
    """Return the types to choose from, those of the platform last, and a sample to try a pattern on."""
    types = portal.read("event-type-list", limit=MOST_TYPES, archived="false")["data"]
    own = sorted((it for it in types if not it["name"].startswith("waypost.")), key=lambda it: it["name"])
    of_platform = sorted((it for it in types if it["name"].startswith("waypost.")), key=lambda it: it["name"])
    example = next((it for it in own if it["examples"]), None)
    sample = {"type": example["name"], "data": example["examples"][0]} if example else SAMPLE
    return {
        "types": own,
        "platform_types": of_platform,
        "chosen": chosen,
        "sample": values.get("sample") or orjson.dumps(sample, option=orjson.OPT_INDENT_2).decode(),
    }


def created_context(portal: Portal, endpoint: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows once an endpoint was created."""
    return {
        "endpoint": endpoint,
        "secret": endpoint.get("secret", ""),
        "samples": CODE_SAMPLES,
        **test_context(portal),
    }


def test_context(portal: Portal) -> dict[str, Any]:
    """Return the types that a test event can have."""
    types = portal.read("event-type-list", limit=MOST_TYPES, archived="false")["data"]
    return {"test_types": sorted(it["name"] for it in types if not it["name"].startswith("waypost."))}


def settings_in(sent: Any, connector: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings and the credentials in a form, in the types that the connector declares."""
    settings: dict[str, Any] = {}
    credentials: dict[str, Any] = {}
    for setting in connector["settings"]:
        text = sent.get(f"setting.{setting['name']}", "").strip()
        if text or setting["type"] == "boolean":
            (credentials if setting["credential"] else settings)[setting["name"]] = forms.typed(setting["type"], text)
    return settings, credentials


def jsonata_in(sent: Any) -> dict[str, str] | None:
    """Return the transformer of the expression in a form; None if there is none: the message of the connector."""
    text = sent.get("jsonata", "").strip()
    return {"jsonata": text} if text else None


def setting_errors(errors: dict[str, str]) -> dict[str, str]:
    """Return errors by the name of the setting, without the member that it is in."""
    return forms.flattened(
        {field.removeprefix("settings.").removeprefix("credentials."): detail for field, detail in errors.items()}
    )
