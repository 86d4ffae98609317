"""Format values on the pages of the portal, and draw the chart of a day."""

from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from delivery.reading.timeline import failure_name
from webhooks.wire.bodies.pretty_json import pretty

register = template.Library()
register.filter(intcomma)  # so that a project needs not install django.contrib.humanize

HEIGHT = 38.0  # of the highest bar, of the 40 units of the chart
STEP = 10  # units from one hour to the next
LEAST = 1.5  # units of the lowest bar, so that one failure among thousands is seen
MAX_BODY = 100_000  # characters of a body on a page
OFFSET = len("+00:00")  # characters at the end of a time with an offset

ACTIVITIES = {
    "POST endpoint-list": gettext_lazy("Added an endpoint"),
    "POST connector-endpoints": gettext_lazy("Added an endpoint by a connector"),
    "PATCH endpoint-detail": gettext_lazy("Changed an endpoint"),
    "DELETE endpoint-detail": gettext_lazy("Deleted an endpoint"),
    "POST endpoint-retry": gettext_lazy("Retried what waits for an endpoint"),
    "POST endpoint-test": gettext_lazy("Sent a test event"),
    "POST endpoint-verification": gettext_lazy("Verified an endpoint"),
    "POST endpoint-secrets": gettext_lazy("Rotated a signing secret"),
    "DELETE endpoint-secret": gettext_lazy("Ended an old signing secret"),
    "POST subscription-list": gettext_lazy("Selected more events"),
    "PATCH subscription-detail": gettext_lazy("Changed which events an endpoint gets"),
    "DELETE subscription-detail": gettext_lazy("Removed events of an endpoint"),
    "POST delivery-resend": gettext_lazy("Resent a message"),
    "POST delivery-retry": gettext_lazy("Retried a message"),
    "POST delivery-cancel": gettext_lazy("Cancelled a delivery"),
    "POST replay-list": gettext_lazy("Replayed messages"),
    "POST replay-cancel": gettext_lazy("Cancelled a replay"),
    "POST schedule-list": gettext_lazy("Created a schedule"),
    "POST schedule-run": gettext_lazy("Ran a schedule by hand"),
    "PATCH schedule-detail": gettext_lazy("Changed a schedule"),
    "DELETE schedule-detail": gettext_lazy("Deleted a schedule"),
    "POST alert-acknowledge": gettext_lazy("Acknowledged an alert"),
    "POST alert-snooze": gettext_lazy("Silenced an alert"),
    "POST alert-rule-list": gettext_lazy("Created an alert rule"),
    "PATCH alert-rule-detail": gettext_lazy("Changed an alert rule"),
    "DELETE alert-rule-detail": gettext_lazy("Deleted an alert rule"),
    "POST alert-rule-test": gettext_lazy("Sent a test message of an alert rule"),
    "POST key-list": gettext_lazy("Created an API key"),
    "POST key-rotation": gettext_lazy("Rotated an API key"),
    "DELETE key-detail": gettext_lazy("Revoked an API key"),
    "POST portal-link-list": gettext_lazy("Created a link to these pages"),
    "portal-open": gettext_lazy("Opened these pages"),
}
"""Name of a change, by the method and the name of its operation."""
ACTIONS = {
    "created": gettext_lazy("Created"),
    "changed": gettext_lazy("Changed"),
    "deleted": gettext_lazy("Deleted"),
    "performed": gettext_lazy("Changed"),
    "viewed": gettext_lazy("Looked at a payload"),
}
"""Name of what the operator or the system did."""
HEALTH = {
    "healthy": gettext_lazy("The endpoint accepts deliveries."),
    "rejecting": gettext_lazy("The endpoint responds, and rejects most deliveries."),
    "failing": gettext_lazy("The endpoint does not respond, or with an error."),
    "pause_requested": gettext_lazy("The endpoint asked for a pause."),
    "inactive": gettext_lazy("Nothing is sent to the endpoint."),
    "unknown": gettext_lazy("Nothing was delivered in the last 24 hours."),
}
"""The health of an endpoint in a sentence, where the API's own, which is English, is of no use."""

LIMIT_NAMES = {
    "events_per_month": gettext_lazy("Events in a month"),
    "publish_rate": gettext_lazy("Events per second"),
    "max_endpoints": gettext_lazy("Endpoints"),
    "max_subscriptions": gettext_lazy("Subscriptions"),
    "max_schedules": gettext_lazy("Schedules"),
    "max_sources": gettext_lazy("Sources"),
    "max_event_bytes": gettext_lazy("Bytes of an event"),
    "max_retention_days": gettext_lazy("Days for which messages are kept"),
}
"""The limits of a plan that are shown to a tenant, by their names in the API."""

STATUS_HINTS = {
    301: gettext_lazy("Redirects are not followed: give the final URL of the endpoint."),
    400: gettext_lazy("The receiver could not read the request: see its log."),
    401: gettext_lazy(
        "The receiver refused the request: check that it verifies with the current secret, over the raw body."
    ),
    404: gettext_lazy("The receiver has nothing at this path: check the URL."),
    405: gettext_lazy("The receiver does not accept POST at this path: check the URL and its routes."),
    408: gettext_lazy("The receiver gave up waiting: see its log."),
    410: gettext_lazy("410 means that the endpoint is gone for good: it gets disabled."),
    413: gettext_lazy("The receiver does not accept a body of this size: raise its limit."),
    429: gettext_lazy("The receiver got too many requests: set a rate limit in the settings of the endpoint."),
    500: gettext_lazy("The receiver failed: see its log for an error at this time."),
}
"""Advice about a response that does not accept an event, by its status; 400 and 500 stand for all others of theirs."""
SAME_HINT = {302: 301, 303: 301, 307: 301, 308: 301, 403: 401}
SIGNINGS = {"v1": "HMAC-SHA256 (v1)", "v1a": "Ed25519 (v1a)"}
SCOPES = {
    "read": gettext_lazy("Read"),
    "manage": gettext_lazy("Manage"),
    "publish": gettext_lazy("Publish events"),
    "consume": gettext_lazy("Pull deliveries"),
}
"""Label of a scope of an API key."""
OF_PORTAL = "portal: "  # before the user of a session, in the audit


class Bar(NamedTuple):
    """One hour of a chart: heights and places of its two parts, in units of the chart."""

    x: int
    delivered: str
    delivered_y: str
    failed: str
    failed_y: str
    title: str


@register.simple_tag
def chart(stats: dict[str, Any]) -> list[Bar]:
    """Return the bars of the last hours, oldest first; the highest is as high as the chart."""
    hours = stats["data"][-24:]
    most = max((it["delivered"] + it["failed"] for it in hours), default=0) or 1
    return [_bar(place, it, most) for place, it in enumerate(hours)]


def _bar(place: int, hour: dict[str, Any], most: int) -> Bar:
    delivered, failed = (_height(hour[name], most) for name in ("delivered", "failed"))
    began = instant(hour["begins_at"])
    title = _("%(hour)s UTC: %(delivered)d delivered, %(failed)d failed") % {
        "hour": began.strftime("%H:%M") if began else "",
        "delivered": hour["delivered"],
        "failed": hour["failed"],
    }
    top = 39 - delivered
    return Bar(place * STEP + 1, _units(delivered), f"{top:.1f}", _units(failed), f"{top - failed:.1f}", title)


def _height(count: int, most: int) -> float:
    return max(HEIGHT * count / most - LEAST, LEAST) if count else 0.0


def _units(height: float) -> str:
    return f"{height:.1f}" if height else ""


@register.filter
def instant(text: str | None) -> datetime | None:
    """Return the time in a response of the API."""
    return parse_datetime(text) if text else None


@register.filter
def pretty_json(text: Any) -> str:
    """Return a body as it is read best: JSON indented, text as it is, and what is no text as JSON."""
    shown = text if isinstance(text, str) else as_text(text)
    return (pretty(shown) if shown[:1] in "{[" else shown)[:MAX_BODY]


@register.filter
def as_text(value: Any) -> str:
    """Return a value as JSON; a text as it is."""
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


@register.filter
def svg_uri(svg: str) -> str:
    """Return a picture as an address for ``img``, in which no script can run."""
    return f"data:image/svg+xml,{quote(svg)}"


@register.filter
def long_time(seconds: int) -> str:
    """Return a number of seconds in hours or days."""
    days, hours = divmod(seconds // 3600, 24)
    if days:
        return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
    return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}


@register.filter
def interval(seconds: int) -> str:
    """Return a number of seconds in days, hours, minutes and seconds, without those of which there are none."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        (days, ngettext("%(count)d day", "%(count)d days", days)),
        (hours, ngettext("%(count)d hour", "%(count)d hours", hours)),
        (minutes, ngettext("%(count)d minute", "%(count)d minutes", minutes)),
        (rest, ngettext("%(count)d second", "%(count)d seconds", rest)),
    ]
    return " ".join(text % {"count": count} for count, text in parts if count)


@register.filter
def local_clock(text: str) -> str:
    """Return what clocks of a time zone show at a time with an offset, with the day of the week, and the offset."""
    local = parse_datetime(text)
    if local is None:
        return text
    return f"{date_format(local.replace(tzinfo=None), 'D Y-m-d H:i:s').removesuffix(':00')} {text[-OFFSET:]}"


@register.filter
def translated(text: str) -> str:
    """Return a text of the API in the language of the page, where it has a translation, without its marks of code."""
    return _(text).replace("`", "") if text else ""


@register.filter
def activity(entry: dict[str, Any]) -> str:
    """Return what an entry of the audit is called: by its operation, or by what was done where that is not ours."""
    return str(ACTIVITIES.get(entry["operation"]) or ACTIONS.get(entry["action"], entry["operation"]))


@register.filter
def health_text(health: dict[str, Any]) -> str:
    """Return the health of an endpoint in words: the API's in English, shorter ones in other languages."""
    is_english = (get_language() or "en").startswith("en")
    return health["text"] if is_english else str(HEALTH.get(health["state"], health["text"]))


@register.filter
def failure(kind: str) -> str:
    """Return why an attempt failed in a few words."""
    return _(failure_name(kind)) if kind else ""


@register.filter
def limit_name(name: str) -> str:
    """Return the name of a limit for the people of a tenant."""
    return str(LIMIT_NAMES.get(name, name))


@register.filter
def status_hint(status: int | None) -> str:
    """Return what to do about a response with a status that does not accept an event; empty if nothing is known."""
    code = SAME_HINT.get(status or 0, status or 0)
    return str(STATUS_HINTS.get(code) or STATUS_HINTS.get(code // 100 * 100) or "")


@register.filter
def signing_name(signing: str) -> str:
    """Return the algorithm of a signature, by its version in Standard Webhooks."""
    return SIGNINGS.get(signing, signing)


@register.filter
def scope_name(scope: str) -> str:
    """Return what a scope of an API key allows."""
    return str(SCOPES.get(scope, scope))


@register.filter
def actor(name: str | None) -> str:
    """Return who changed something: the user of a session of the portal without the prefix of the audit."""
    return (name or "").removeprefix(OF_PORTAL)
