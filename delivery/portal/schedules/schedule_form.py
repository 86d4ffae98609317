"""Create and edit a schedule: when, in which time zone, and the event, with the next occurrences while one types."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

import orjson
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from delivery.portal import forms
from delivery.portal.gate import PortalPage

MOST_TYPES = 250  # offered while one types; any other can be typed
EXPRESSIONS = ("cron(0 10 ? * MON-FRI *)", "rate(5 minutes)", "0 10 * * 1-5", "at(2030-12-24T18:00:00)")
LIMITS = ("max_schedules", "min_schedule_interval_seconds")
OF_EVENT = ("type", "subject", "data")  # members of the event that have a field
FIELDS = {
    **{it: it for it in ("expression", "timezone", "start_at", "end_at", "description", "catch_up")},
    "flexible_window_minutes": "flexible_window_minutes",
    **{f"event.{it}": it for it in OF_EVENT},
}
EMPTY = {"timezone": "UTC", "catch_up": "latest", "flexible_window_minutes": 0}


class SchedulePage(PortalPage):
    """A page with the form of a schedule."""

    tab = "schedules"

    def form(
        self, values: Mapping[str, Any], errors: dict[str, str], schedule: dict[str, Any] | None, status: int = 200
    ) -> HttpResponseBase:
        """Return the form with what was typed, and what is wrong with it. ``schedule``: None for a new one."""
        types = self.portal.read("event-type-list", limit=MOST_TYPES, archived="false")["data"]
        context = {
            "values": values,
            "errors": errors,
            "schedule": schedule,
            "has_event": schedule is None or schedule["event"] is not None,
            "types": sorted(it["name"] for it in types if not it["name"].startswith("waypost.")),
            "zones": sorted(it for it in available_timezones() if "/" in it or it == "UTC"),
            "expressions": EXPRESSIONS,
            **plan_context(self),
        }
        return self.page("schedules/form.html", context, status)


class NewSchedule(SchedulePage):
    """Create a schedule."""

    operation = ("POST", "schedule-list")

    def get(self, _request: HttpRequest) -> HttpResponseBase:
        """Return the form."""
        return self.form(EMPTY, {}, None)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Create the schedule, and show it."""
        sent = request.POST
        try:
            body = body_in(request, {})
        except forms.NotJson as error:
            return self.form(sent.dict(), forms.not_json(error), None, 400)
        created = self.portal.call("POST", "schedule-list", body=body, idempotency_key=sent.get("key", ""))
        if not created.ok:
            return self.form(sent.dict(), forms.by_field(created.errors, FIELDS), None, created.status)
        return self.done("created", "portal-schedule", created.data["id"])


class EditSchedule(SchedulePage):
    """Edit a schedule. Its event is left as it is in a session without payloads."""

    operation = ("PATCH", "schedule-detail")

    def get(self, _request: HttpRequest, ref: str) -> HttpResponseBase:
        """Return the form."""
        found = self.portal.read("schedule-detail", ref)
        return self.form(values_of(found), {}, found)

    def post(self, request: HttpRequest, ref: str) -> HttpResponseBase:
        """Change the schedule, and show it."""
        sent, found = request.POST, self.portal.read("schedule-detail", ref)
        try:
            body = body_in(request, found["event"] or {})
        except forms.NotJson as error:
            return self.form(sent.dict(), forms.not_json(error), found, 400)
        if found["event"] is None:
            del body["event"]
        changed = self.portal.call("PATCH", "schedule-detail", ref, body=body)
        if not changed.ok:
            return self.form(sent.dict(), forms.by_field(changed.errors, FIELDS), found, changed.status)
        return self.done("saved", "portal-schedule", ref)


class SchedulePreview(PortalPage):
    """Show the next occurrences of the times in a form, while they are typed."""

    operation = ("POST", "schedule-preview")

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Return a part of the page; always 200, since a part with another status is not shown."""
        times = times_in(request)
        if not times["expression"]:
            return self.page("schedules/_preview.html", {"is_empty": True})
        found = self.portal.call("POST", "schedule-preview", body=times)
        context = {"found": found.data if found.ok else None, "errors": forms.by_field(found.errors, FIELDS)}
        return self.page("schedules/_preview.html", {**context, "zone": times["timezone"]})


def times_in(request: HttpRequest) -> dict[str, Any]:
    """Return the times in a form as the API reads them."""
    sent = request.POST
    return {
        "expression": sent.get("expression", "").strip(),
        "timezone": sent.get("timezone", "").strip() or EMPTY["timezone"],
        "start_at": forms.instant(sent.get("start_at", "")),
        "end_at": forms.instant(sent.get("end_at", "")),
    }


def body_in(request: HttpRequest, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a schedule; ``event`` is the one before, whose other members stay. Raises NotJson."""
    sent = request.POST
    window = forms.number(request, "flexible_window_minutes")
    given = {"type": sent.get("type", "").strip(), "subject": sent.get("subject", "").strip()}
    members = {
        **{name: value for name, value in event.items() if name not in OF_EVENT},
        **{name: value for name, value in given.items() if value or name == "type"},
    }
    if (data := forms.json_field(sent, "data")) is not None:
        members["data"] = data
    return {
        **times_in(request),
        "description": sent.get("description", "").strip(),
        "catch_up": sent.get("catch_up", EMPTY["catch_up"]),
        "flexible_window_minutes": 0 if window is None else window,
        "action_after_completion": "delete" if sent.get("deletes") else "none",
        "event": members,
    }


def values_of(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule as its form shows it."""
    event = schedule["event"] or {}
    data = event.get("data")
    return {
        **schedule,
        "start_at": forms.instant_field(schedule["start_at"]),
        "end_at": forms.instant_field(schedule["end_at"]),
        "deletes": schedule["action_after_completion"] == "delete",
        "type": event.get("type", ""),
        "subject": event.get("subject", ""),
        "data": "" if data is None else orjson.dumps(data, option=orjson.OPT_INDENT_2).decode(),
    }


def plan_context(page: PortalPage) -> dict[str, Any]:
    """Return the limits of the plan on schedules, by name."""
    limits = page.portal.read("tenant-limits", page.link.tenant.public_id)["data"]
    return {"plan": {it["name"]: it for it in limits if it["name"] in LIMITS}}
