"""Show long and technical texts on the pages of the portal: names, event types, texts with marks of code, durations."""

from django import template

from webhooks.kit.admin.breakable_names import breakable
from webhooks.kit.admin.display import code_marks

register = template.Library()
register.filter(breakable)
register.filter(code_marks)

SHORT = 80  # characters of a name in a link, a title or a list, such as a URL of 2,000
TAIL = 20  # characters of these from its end, by which URLs differ that begin alike
SECOND = 1000  # milliseconds


@register.filter
def short(text: str) -> str:
    """Return a name of at most SHORT characters: a longer one without its middle."""
    return text if len(text) <= SHORT else f"{text[: SHORT - TAIL - 1]}…{text[-TAIL:]}"


@register.filter
def milliseconds(count: int) -> str:
    """Return a duration with its unit: in milliseconds below one second, in seconds above."""
    return f"{count} ms" if count < SECOND else f"{count / SECOND:.1f} s".replace(".0 s", " s")
