"""Show rejections: requests that were not stored, with the failed check, so that a wrong secret can be found."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from webhooks.admin.display import secret_by_id
from webhooks.admin.message_list import SEES_PAYLOADS, SOURCE_FILTER, MessageList, ReceivedFilter
from webhooks.audit.looks import HIDDEN
from webhooks.kit.admin.display import NOTHING, column, may, pill, size, when
from webhooks.kit.admin.filters import OneOfFilter
from webhooks.models import Rejection

REASONS_IN_WORDS: Final[dict[str, str]] = {
    "bad_options": "Invalid options of the scheme",
    "bad_secret": "Unusable secret",
    "body_too_large": "Body too large for the scheme",
    "challenge": "Handshake failed",
    "content_type": "Media type not accepted",
    "cut_short": "Body incomplete",
    "foreign_address": "Address not allowed",
    "invalid_signing_input": "Message cannot be signed",
    "keys_unavailable": "Sender's keys unavailable",
    "malformed_header": "Malformed header",
    "missing_header": "Missing header",
    "missing_url": "Public URL not set",
    "no_length": "Content-Length missing",
    "no_match": "Signature does not match",
    "not_confirmed": "Subscription not confirmed",
    "other_content": "Duplicate with other content",
    "stale_timestamp": "Timestamp outside the tolerance",
    "too_large": "Message too large",
    "too_slow": "Body too slow",
    "unknown_scheme": "Unknown scheme",
    "untrusted_proxy": "Untrusted proxy",
    "wrong_claim": "Wrong claim in the token",
}
"""Names of the failed checks, by their code."""


class ReasonFilter(OneOfFilter):  # type: ignore[misc]
    """Filter rejections by the failed check."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return sorted(REASONS_IN_WORDS.items(), key=lambda it: it[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Rejection]) -> QuerySet[Rejection]:
        return queryset.filter(reason=self.value()) if self.value() in REASONS_IN_WORDS else queryset


def reason_pill(reason: str) -> SafeString:
    """Return the failed check in words, with its code in the tooltip."""
    return pill(REASONS_IN_WORDS.get(reason, reason.replace("_", " ")), "bad", reason)


@admin.register(Rejection)
class RejectionAdmin(MessageList):
    """Show rejections."""

    empty_note = "Messages that a source has rejected appear here, with the reason."
    list_display = (
        *("public_id", "source_link", "reason_pill", "detail", "remote_address", "bytes", "not_stored"),
        "received",
    )
    list_filter = (*SOURCE_FILTER, ReasonFilter, ReceivedFilter)
    search_columns = {"rej": "pk", "src": "source"}
    search_help_text = "Search by ID of a rejection or source, or by the code of a reason, such as no_match"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *(("public_id", "reason_pill"), ("source_link", "received"), "detail"),
                    *(("remote_address", "bytes"), "digest"),
                )
            },
        ),
        ("Newest valid message before it", {"fields": ("last_valid", "last_valid_secret")}),
        ("Headers (credentials removed)", {"fields": ("headers_block",)}),
        ("Before it", {"fields": ("not_stored",)}),
    )

    def find_text(self, rows: QuerySet[Rejection], term: str) -> QuerySet[Rejection]:
        return rows.filter(reason=term)

    reason_pill = column("Reason", lambda rejection: reason_pill(rejection.reason))
    last_valid_secret = column("Signed with", lambda rejection: secret_by_id(rejection.last_valid_secret_id) or "None")
    last_valid = column("Received", lambda rejection: when(rejection.last_valid_at))
    not_stored = column("Counted, not stored", lambda rejection: f"{rejection.suppressed_count:,}")
    digest = column("SHA-256", lambda rejection: (rejection.sha256 or NOTHING) if may(SEES_PAYLOADS) else HIDDEN)
    bytes = column("Size", lambda rejection: size(rejection.size))
