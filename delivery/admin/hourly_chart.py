"""Draw the attempts to an endpoint as a bar chart, one bar per hour: delivered below, failed above."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from delivery.sending.attempt_stats import StatsSummary

WIDTH, HEIGHT, GAP = 18, 72, 4  # pixels of a bar, and between two
SMALLEST_BAR = 2  # pixels of any count above zero


def hourly_chart(hours: Sequence[StatsSummary]) -> SafeString:
    """Return the chart as SVG, with the numbers of each hour as its tooltip."""
    highest = max((hour.attempts for hour in hours), default=0)
    if not highest:
        return format_html("<span>{}</span>", "No attempts")
    bars = format_html_join("", "{}", ((_bar(position, hour, highest),) for position, hour in enumerate(hours)))
    return format_html(
        '<div class="wp-hours" style="width:{0}px"><svg role="img" aria-label="Attempts by hour, at most {3}" '
        'viewBox="0 0 {0} {1}">{2}</svg><div class="wp-axis"><span>{4} UTC</span>'
        "<span>highest: {3} in an hour</span><span>now</span></div></div>",
        len(hours) * (WIDTH + GAP),
        HEIGHT + 1,
        bars,
        f"{highest:,}",
        f"{hours[0].begins_at:%H:%M}",
    )


def _bar(position: int, hour: StatsSummary, highest: int) -> SafeString:
    delivered, failed = _pixels(hour.delivered, highest), _pixels(hour.failed, highest)
    return format_html(
        '<g transform="translate({x},0)"><title>{title}</title>'
        '<rect width="{width}" height="{height}" fill="transparent"/>'
        '<rect y="{height}" width="{width}" height="1" fill="#94a3b8"/>'
        '<rect y="{delivered_y}" width="{width}" height="{delivered}" fill="#22c55e"/>'
        '<rect y="{failed_y}" width="{width}" height="{failed}" fill="#ef4444"/></g>',
        x=position * (WIDTH + GAP),
        title=_title(hour),
        width=WIDTH,
        height=HEIGHT,
        delivered_y=HEIGHT - delivered,
        delivered=delivered,
        failed_y=HEIGHT - delivered - failed,
        failed=failed,
    )


def _pixels(count: int, highest: int) -> int:
    return max(SMALLEST_BAR, round((HEIGHT - 2 * SMALLEST_BAR) * count / highest)) if count else 0


def _title(hour: StatsSummary) -> str:
    text = f"{hour.begins_at:%H:%M} UTC: {hour.attempts:,} attempts, {hour.failed:,} failed"
    if hour.superseded:
        text += f", {hour.superseded:,} superseded"
    if not hour.attempts:
        return text
    latency = hour.latency_ms
    text += f"; p50 {latency['p50']} ms, p95 {latency['p95']} ms, p99 {latency['p99']} ms"
    return f"{text}; last error: {hour.last_error} {hour.last_status or ''}".rstrip() if hour.last_error else text
