"""Say on the next page what a form has done: the redirect after it names a notice in its query, the page shows it."""

from django.utils.translation import gettext_lazy

DONE = "done"  # the parameter of a query that names a notice

NOTICES = {
    "saved": gettext_lazy("Saved."),
    "created": gettext_lazy("Created."),
    "deleted": gettext_lazy("Deleted."),
    "removed": gettext_lazy("Removed: the endpoint no longer gets these events."),
    "paused": gettext_lazy("Paused."),
    "resumed": gettext_lazy("Resumed."),
    "verified": gettext_lazy("The endpoint was asked to verify itself."),
    "retried": gettext_lazy("What waits is retried now."),
    "resent": gettext_lazy("Resent: the next attempt is made as soon as the endpoint is ready."),
    "cancelled": gettext_lazy("Cancelled."),
    "run": gettext_lazy("Published now."),
    "acknowledged": gettext_lazy("Acknowledged."),
    "snoozed": gettext_lazy("Snoozed."),
    "enabled": gettext_lazy("Turned on."),
    "disabled": gettext_lazy("Turned off."),
    "revoked": gettext_lazy("Revoked: programs that use this key are refused."),
    "ended": gettext_lazy("Ended: the old secret signs no more."),
}
"""Sentence about what was done, by the name that the query gives. Nothing is shown for an unknown name."""


def notice_of(name: str | None) -> str:
    """Return the text of a notice; empty if there is none of this name."""
    return str(NOTICES.get(name or "", ""))
