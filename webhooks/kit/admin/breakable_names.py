"""Let pages break long names, such as event types and addresses, after their separators instead of inside a word."""

import re

from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

BREAKABLE_FROM = 20  # characters; a shorter name is never broken
BREAKS = re.compile(r"(?<=[._/])(?=.)")


def breakable(name: str) -> SafeString:
    """Return a name as HTML that a narrow column breaks after a dot, an underscore or a slash."""
    parts = BREAKS.split(name) if len(name) > BREAKABLE_FROM else [name]
    return format_html_join(mark_safe("<wbr>"), "{}", ((it,) for it in parts))
