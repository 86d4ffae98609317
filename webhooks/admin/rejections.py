"""Show rejections: requests that were not stored, with the failed check, so that a wrong secret can be found."""

from django.contrib import admin
from django.db.models import QuerySet

from webhooks.admin.display import secret_by_id
from webhooks.admin.message_list import SEES_PAYLOADS, SOURCE_FILTER, MessageList, ReceivedFilter
from webhooks.audit.looks import HIDDEN
from webhooks.kit.admin.display import NOTHING, column, may, pill, size, when
from webhooks.models import Rejection


@admin.register(Rejection)
class RejectionAdmin(MessageList):
    """Show rejections."""

    list_display = (
        *("public_id", "source_link", "reason_pill", "detail", "remote_address", "bytes", "not_stored"),
        "received",
    )
    list_filter = (*SOURCE_FILTER, ReceivedFilter)
    search_columns = {"rej": "pk", "src": "source"}
    search_help_text = "Search by ID of a rejection or source, or by reason (exact)"
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

    reason_pill = column("Reason", lambda rejection: pill(rejection.reason, "bad"))
    last_valid_secret = column("Signed with", lambda rejection: secret_by_id(rejection.last_valid_secret_id) or "None")
    last_valid = column("Received", lambda rejection: when(rejection.last_valid_at))
    not_stored = column("Counted, not stored", lambda rejection: f"{rejection.suppressed_count:,}")
    digest = column("SHA-256", lambda rejection: (rejection.sha256 or NOTHING) if may(SEES_PAYLOADS) else HIDDEN)
    bytes = column("Size", lambda rejection: size(rejection.size))
