"""Format values as HTML for the admin's pages. Every text is escaped."""

import json
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

NOTHING = "-"
SHOWN_CHARACTERS = 44  # of the text of a link
ID_END = 10  # characters of an ID that a list always shows
Tone = Literal["plain", "info", "good", "warn", "bad"]

_CODE = re.compile(r"`([^`]+)`")
_user: ContextVar[Any] = ContextVar("user", default=None)


def show_to(user: Any) -> None:
    """Say who looks at the page that is being made in this thread, for ``may``."""
    _user.set(user)


def viewer() -> Any:
    """Return the user who looks at the page; None outside of a page."""
    return _user.get()


def may(permission: str) -> bool:
    """Return whether the one who looks at the page has a permission: columns and fields are not told the request."""
    user = viewer()
    return user is not None and bool(user.has_perm(permission))


def verb(permission: str, path: str, text: str) -> SafeString:
    """Return a link to a page that changes something; nothing for those who may not open it."""
    return format_html('<a class="wp-link" href="{}">{}</a>', path, text) if may(permission) else SafeString("")


def column(title: str, show: Callable[[Any], Any], order: str | None = None) -> Callable[[Any, Any], Any]:
    """Return a column of a list, or a field of a page, that shows what ``show`` returns for a row.

    ``order``: the database column that the list is sorted by where its ``sortable_by`` names this one.
    """

    @admin.display(description=title, ordering=order)
    def shown(_page: Any, row: Any) -> Any:
        return show(row)

    return shown


def pill(text: str, tone: Tone = "plain", title: str = "") -> SafeString:
    """Return a word on a background in the colour of its tone; ``title`` is its tooltip."""
    return format_html('<span class="wp-pill wp-{}" title="{}">{}</span>', tone, title, text)


def link(row: Any, text: str = "") -> SafeString | str:
    """Return a link to the admin's page of a row, which may be None; ``text`` is the row's public id unless given.

    Of an HTTPS URL the scheme is left out, and of a long text the middle: URLs of one host differ at their end.
    """
    if row is None:
        return NOTHING
    path = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    if not text:
        return format_html('<a class="wp-link" href="{}">{}</a>', path, whole_id(row.public_id))
    return format_html('<a class="wp-link" href="{}" title="{}">{}</a>', path, text, shortened(text))


def whole_id(text: str) -> SafeString:
    """Return an ID whose first part a narrow list cuts by its style: IDs made at one time differ at their end."""
    start, end = text[:-ID_END], text[-ID_END:]
    return format_html('<span class="wp-id" title="{}"><span class="wp-id-start">{}</span>{}</span>', text, start, end)


def shortened(text: str) -> str:
    """Return a text for a narrow column, with an ellipsis in the middle if it is long."""
    shown = text.removeprefix("https://")
    half = SHOWN_CHARACTERS // 2
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:half]}…{shown[-half:]}"


def when(moment: datetime | None) -> SafeString | str:
    """Return a time in UTC to the second, with its microseconds in the tooltip.

    ``webhooks/times.js`` writes it in the zone of the viewer.
    """
    if moment is None:
        return NOTHING
    at = moment.astimezone(UTC)
    return format_html(
        '<time class="wp-time" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        at.isoformat(sep=" ", timespec="microseconds"),
        at.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


def first_of(texts: Sequence[str], shown: int = 4) -> str:
    """Return the first texts of a list, and how many more there are."""
    more = len(texts) - shown
    return ", ".join(texts[:shown]) + (f" and {more:,} more" if more > 0 else "")


def size(count: int) -> SafeString:
    """Return a number of bytes in a readable unit, with the exact number in the tooltip."""
    return format_html('<span class="wp-size" title="{} bytes">{}</span>', f"{count:,}", filesizeformat(count))


def code(text: str) -> SafeString | str:
    """Return a block of preformatted text."""
    return format_html('<pre class="wp-code" tabindex="0">{}</pre>', text) if text else NOTHING


def code_marks(text: str) -> SafeString:
    """Return a text as HTML in which what stands between backticks is code; it is escaped unless it is safe."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", conditional_escape(text)))  # noqa: S308  # escaped


def json_block(value: Any, nothing: str = NOTHING) -> SafeString | str:
    """Return a value as indented JSON; ``nothing`` for none."""
    return nothing if value is None else code(json.dumps(value, indent=2, ensure_ascii=False))
