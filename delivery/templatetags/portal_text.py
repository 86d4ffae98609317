"""Show long and technical texts on the pages of the portal: names, event types, texts with marks of code, durations."""

import re

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from webhooks.kit.admin.display import code_marks

register = template.Library()
register.filter(code_marks)

BREAKABLE_FROM = 20  # characters; a shorter name is never broken
BREAKS = re.compile(r"(?<=[._/])(?=.)")
SHORT = 80  # characters of a name in a link, a title or a list, such as a URL of 2,000
TAIL = 20  # characters of these from its end, by which URLs differ that begin alike
SECOND = 1000  # milliseconds


@register.filter
def breakable(name: str) -> SafeString:
    """Return a name, such as an event type, that a narrow column breaks after a dot, an underscore or a slash."""
    parts = BREAKS.split(name) if len(name) > BREAKABLE_FROM else [name]
    return format_html_join(mark_safe("<wbr>"), "{}", ((it,) for it in parts))


@register.filter
def short(text: str) -> str:
    """Return a name of at most SHORT characters: a longer one without its middle."""
    return text if len(text) <= SHORT else f"{text[: SHORT - TAIL - 1]}…{text[-TAIL:]}"


@register.filter
def milliseconds(count: int) -> str:
    """Return a duration with its unit: in milliseconds below one second, in seconds above."""
    return f"{count} ms" if count < SECOND else f"{count / SECOND:.1f} s".replace(".0 s", " s")
