"""Format the states, secrets and statistics of sources."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from webhooks.kit.admin.display import Tone, json_block, may, pill, when
from webhooks.models import Source, SourceHour, SourceSecret
from webhooks.sources.source_stats import CurrentCounts
from webhooks.wire.ids import public

TONES: Final[dict[str, Tone]] = {
    "pending": "info",
    "processed": "good",
    "dead": "bad",
    "open": "good",
    "paused": "warn",
    "deleted": "bad",
}
ATTEMPT_TONES: Final[dict[str, Tone]] = {"processed": "good", "failed": "bad", "dead": "bad"}
TILES: Final[dict[str, tuple[str, Tone]]] = {
    "received": ("Received", "info"),
    "duplicates": ("Duplicates", "plain"),
    "conflicts": ("Duplicates of other content", "warn"),
    "rejected": ("Rejected", "bad"),
    "throttled": ("Rate limited", "warn"),
    "processed": ("Processed", "good"),
    "unhandled": ("Matched no handler", "warn"),
    "handler_failures": ("Handler failures", "warn"),
    "dead": ("Failed", "bad"),
}


def state_pill(state: str, title: str = "") -> SafeString:
    """Return the state of a source or a receipt in its colour."""
    return pill(state, TONES.get(state, "plain"), title)


def attempt_pill(outcome: str) -> SafeString:
    """Return how a run of the handlers ended in its colour."""
    return pill(outcome.replace("_", " "), ATTEMPT_TONES.get(outcome, "warn"))


def steps_line(steps: Sequence[Mapping[str, Any]], *, shows_details: bool) -> SafeString:
    """Return what each step of a handler did, in a line; empty without steps. A detail may quote the message."""
    shown = ((it["step"], it["outcome"].replace("_", " "), it["detail"] if shows_details else "") for it in steps)
    line = format_html_join(" → ", '<span title="{2}">{0} {1}</span>', shown)
    return format_html('<p class="wp-note">{}</p>', line) if line else line


def as_json(value: object) -> str:
    """Return an indented JSON block; nothing for an empty value."""
    return json_block(value or None)


def secrets_table(secrets: Iterable[SourceSecret], now: datetime) -> SafeString:
    """List secrets by id, state and dates, without their text."""
    lines = [
        (
            secret.public_id,
            secret.name or "-",
            pill("active", "good") if secret.is_active_at(now) else pill("expired"),
            when(secret.created_at),
            when(secret.expires_at),
        )
        for secret in secrets
    ]
    if not lines:
        return format_html("{}", "None")
    columns = format_html_join(
        "",
        "<th>{}</th>",
        ((name,) for name in ("ID", "Name", "State", "Added", "Expires")),
    )
    rows = format_html_join("", "<tr>" + 5 * "<td>{}</td>" + "</tr>", lines)
    return format_html('<table class="wp-secrets" tabindex="0"><tr>{}</tr>{}</table>', columns, rows)


def secret_by_id(key: UUID | None) -> SafeString | str:
    """Return one secret by id and state; empty without a key."""
    if key is None:
        return ""
    secret = SourceSecret.objects.filter(id=key).first()
    if secret is None:
        return format_html("{} {}", public("sec", key), pill("revoked or expired", "bad"))
    return secrets_table([secret], timezone.now())


def stats_panel(source: Source, now: CurrentCounts, totals: dict[str, int], hours: Sequence[SourceHour]) -> SafeString:
    """Return the counts of a source, a chart by hour, and links to its receipts, rejections and pages."""
    highest = max((hour.received + hour.rejected for hour in hours), default=0) or 1
    columns = [
        {
            "hour": hour,
            "received_percent": 100 * hour.received / highest,
            "rejected_percent": 100 * hour.rejected / highest,
        }
        for hour in hours
    ]
    tiles = [{"label": label, "tone": tone, "count": totals[kind]} for kind, (label, tone) in TILES.items()]
    context: dict[str, Any] = {"source": source, "now": now, "tiles": tiles, "columns": columns, "highest": highest}
    context |= {"may_change": may("webhooks.change_source"), "may_replay": may("webhooks.replay_receipt")}
    context |= {"may_add_secret": may("webhooks.add_sourcesecret") or may("webhooks.delete_sourcesecret")}
    return render_to_string("webhooks/admin/stats.html", context)
