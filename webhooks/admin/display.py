"""How things look in the operators' pages. Whatever came from outside is escaped."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from webhooks.models import Source, SourceHour, SourceSecret
from webhooks.sources.source_stats import CurrentCounts
from webhooks.wire.ids import public

TONES: Final = {
    "pending": "info",
    "processed": "good",
    "dead": "bad",
    "open": "good",
    "paused": "warn",
    "deleted": "bad",
}
TILES: Final = {
    "received": ("Received", "info"),
    "duplicates": ("Duplicates", "plain"),
    "rejected": ("Rejected", "bad"),
    "throttled": ("Rate limited", "warn"),
    "processed": ("Processed", "good"),
    "handler_failures": ("Handler failures", "warn"),
    "dead": ("Died", "bad"),
}


def pill(word: str, tone: str = "", title: str = "") -> SafeString:
    """A word in its colour."""
    return format_html(
        '<span class="wh-pill wh-{}" title="{}">{}</span>', tone or TONES.get(word, "plain"), title, word
    )


def code(text: str) -> SafeString | str:
    """Other people's text, as text."""
    return format_html('<pre class="wh-code" tabindex="0">{}</pre>', text) if text else "-"


def size(count: int) -> SafeString:
    """Bytes for people, exact in the tooltip."""
    return format_html('<span class="wh-number" title="{} bytes">{}</span>', f"{count:,}", filesizeformat(count))


def when(moment: datetime | None) -> SafeString | str:
    """An instant to the second, with the rest in its tooltip."""
    if moment is None:
        return "-"
    at = moment.astimezone(UTC)
    exact = at.isoformat(sep=" ", timespec="microseconds")
    return format_html('<time class="wh-time" title="{}">{}</time>', exact, at.strftime("%Y-%m-%d %H:%M:%S"))


def link(row: Any, text: str) -> SafeString:
    """A link to the admin's page of a row."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a class="wh-link" href="{}">{}</a>', reverse(name, args=[row.pk]), text)


def secrets_table(secrets: Iterable[SourceSecret], now: datetime) -> SafeString:
    """Secrets by their ids and dates: never what they are."""
    rows = [
        (secret.public_id, pill("believed", "good") if secret.is_active_at(now) else pill("expired"), secret)
        for secret in secrets
    ]
    if not rows:
        return format_html("{}", "None")
    lines = format_html_join(
        "",
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        ((name, state, when(secret.created_at), when(secret.expires_at)) for name, state, secret in rows),
    )
    columns = format_html_join("", "<th>{}</th>", ((name,) for name in ("Id", "", "Made (UTC)", "Until (UTC)")))
    return format_html('<table class="wh-secrets"><tr>{}</tr>{}</table>', columns, lines)


def secret_by_id(key: UUID | None) -> SafeString | str:
    """One secret, by its id and what has become of it; nothing without a key."""
    if key is None:
        return ""
    secret = SourceSecret.objects.filter(id=key).first()
    if secret is None:
        return format_html("{} {}", public("sec", key), pill("revoked or expired since", "bad"))
    return secrets_table([secret], timezone.now())


def figures(source: Source, now: CurrentCounts, totals: dict[str, int], hours: Sequence[SourceHour]) -> SafeString:
    """What came to a source and what became of it, with ways to the rows."""
    most = max((hour.received + hour.rejected for hour in hours), default=0) or 1
    bars = [
        {
            "hour": hour,
            "received": 100 * hour.received / most,
            "rejected": 100 * hour.rejected / most,
        }
        for hour in hours
    ]
    tiles = [{"label": label, "tone": tone, "count": totals[kind]} for kind, (label, tone) in TILES.items()]
    context = {"source": source, "now": now, "tiles": tiles, "bars": bars, "most": most}
    return render_to_string("webhooks/admin/figures.html", context)
