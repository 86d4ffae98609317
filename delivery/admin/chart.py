"""A day of an endpoint as a small chart: a bar for each hour, what was taken below, what failed above."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from delivery.sending.attempt_stats import StatsSummary

__all__ = ["bars"]

WIDTH, HEIGHT, GAP = 18, 72, 4  # pixels of a bar and between two
LEAST = 2  # pixels of what there is too little of to be seen


def bars(hours: Sequence[StatsSummary]) -> SafeString:
    """The chart, with the figures of each hour where the pointer rests."""
    most = max((hour.attempts for hour in hours), default=0)
    if not most:
        return format_html("<span>{}</span>", "No attempts")
    parts = format_html_join("", "{}", ((_bar(place, hour, most),) for place, hour in enumerate(hours)))
    return format_html(
        '<svg role="img" aria-label="Attempts by hour" width="{}" height="{}" style="max-width:100%">{}</svg>',
        len(hours) * (WIDTH + GAP),
        HEIGHT + 1,
        parts,
    )


def _bar(place: int, hour: StatsSummary, most: int) -> SafeString:
    taken, failed = _pixels(hour.delivered, most), _pixels(hour.failed, most)
    return format_html(
        '<g transform="translate({x},0)"><title>{said}</title>'
        '<rect width="{width}" height="{height}" fill="transparent"/>'
        '<rect y="{base}" width="{width}" height="1" fill="#94a3b8"/>'
        '<rect y="{y_taken}" width="{width}" height="{taken}" fill="#22c55e"/>'
        '<rect y="{y_failed}" width="{width}" height="{failed}" fill="#ef4444"/></g>',
        x=place * (WIDTH + GAP),
        said=_said(hour),
        width=WIDTH,
        height=HEIGHT,
        base=HEIGHT,
        y_taken=HEIGHT - taken,
        taken=taken,
        y_failed=HEIGHT - taken - failed,
        failed=failed,
    )


def _pixels(count: int, most: int) -> int:
    return max(LEAST, round((HEIGHT - 2 * LEAST) * count / most)) if count else 0


def _said(hour: StatsSummary) -> str:
    said = f"{hour.begins_at:%H:%M} UTC: {hour.attempts} attempts, {hour.failed} failed"
    if not hour.attempts:
        return said
    latency = hour.latency_ms
    said += f"; p50 {latency['p50']} ms, p95 {latency['p95']} ms, p99 {latency['p99']} ms"
    return f"{said}; last error: {hour.last_error} {hour.last_status or ''}".rstrip() if hour.last_error else said
