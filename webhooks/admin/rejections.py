"""Rejections: what was refused and why, so that a wrong secret can be found."""

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from webhooks.admin.browsing import BY_SOURCE, Browsing, ReceivedFilter
from webhooks.admin.display import pill, secret_by_id, size, when
from webhooks.models import Rejection


@admin.register(Rejection)
class RejectionAdmin(Browsing):
    list_display = ("public", "of_source", "why", "detail", "remote_address", "bytes", "suppressed_count", "received")
    list_filter = (*BY_SOURCE, ReceivedFilter)
    list_select_related = ("source",)
    searched = {"rej": "pk", "src": "source"}
    search_help_text = "An id of a rejection or source, whole; or a reason."
    fieldsets = (
        (
            None,
            {"fields": (("public", "why"), ("of_source", "received"), "detail", ("remote_address", "bytes"), "sha256")},
        ),
        ("What was believed last", {"fields": ("good_at", "good_secret")}),
        ("Headers, without credentials", {"fields": ("headers_shown",)}),
        ("Not recorded", {"fields": ("suppressed_count",)}),
    )

    def find_text(self, rows: QuerySet[Rejection], term: str) -> QuerySet[Rejection]:
        return rows.filter(reason=term)

    @admin.display(description="Reason")
    def why(self, rejection: Rejection) -> SafeString:
        return pill(rejection.reason, "bad")

    @admin.display(description="Secret")
    def good_secret(self, rejection: Rejection) -> SafeString | str:
        """The secret of the last message that was believed, by its id and what has become of it."""
        return secret_by_id(rejection.last_valid_secret_id) or "Nothing was, under a secret"

    @admin.display(description="Message came (UTC)")
    def good_at(self, rejection: Rejection) -> SafeString | str:
        return when(rejection.last_valid_at)

    @admin.display(description="Size")
    def bytes(self, rejection: Rejection) -> SafeString:
        return size(rejection.size)
