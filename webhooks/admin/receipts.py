"""Receipts: what came, how far its handlers have got, and the ways to have them run again."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from webhooks.admin.browsing import BY_SOURCE, Browsing, ReceivedFilter
from webhooks.admin.display import code, pill, secret_by_id, size, when
from webhooks.admin.replaying import Wish, ask, may_replay
from webhooks.models import Receipt
from webhooks.processing.receipts import by_event_type, by_message_id
from webhooks.receiving.body_preview import download_body, preview_body
from webhooks.sources.source_stats import STATES


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.capitalize()) for name in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> QuerySet[Receipt]:
        return queryset.filter(STATES[self.value() or ""]) if self.value() in STATES else queryset


@admin.register(Receipt)
class ReceiptAdmin(Browsing):
    list_display = ("public", "of_source", "event_type", "message_id", "standing", "attempts", "bytes", "received")
    list_filter = (*BY_SOURCE, StateFilter, "cause", ReceivedFilter, "out_of_order")
    list_select_related = ("source",)
    searched = {"rcp": "pk", "src": "source"}
    search_help_text = "An id of a receipt or source, a message id, or an event type: whole."
    fieldsets = (
        (None, {"fields": (("public", "standing"), ("of_source", "received"), ("event_type", "message_id"), "ways")}),
        (
            "Handling",
            {
                "fields": (
                    ("attempts", "claims"),
                    ("due", "ended"),
                    "signed_with",
                    ("order_key", "in_sequence"),
                    "handlers_shown",
                    "error_shown",
                )
            },
        ),
        ("Body", {"fields": (("content_type", "bytes"), "sha256", "body_shown")}),
        ("Headers, without credentials", {"fields": ("headers_shown",)}),
    )
    actions = ("replay_chosen",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/body/", view(self.body), name="webhooks_receipt_body"),
            path("<uuid:pk>/replay/", view(self.replay_one), name="webhooks_receipt_replay"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receipt]:
        rows: QuerySet[Receipt] = super().get_queryset(request).defer("body")
        return rows.select_related("source")

    def find_text(self, rows: QuerySet[Receipt], term: str) -> QuerySet[Receipt]:
        by_id = rows.filter(by_message_id(term))
        return by_id if by_id.exists() else rows.filter(by_event_type(term))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return may_replay(request)

    def body(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Hand out the body as a file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return download_body(get_object_or_404(Receipt, pk=pk))
        except OSError:
            return HttpResponse("Storage is out of reach.", content_type="text/plain", status=503)

    def replay_one(self, request: HttpRequest, pk: Any) -> HttpResponse:
        receipt = get_object_or_404(Receipt, pk=pk)
        back = reverse("admin:webhooks_receipt_change", args=[receipt.pk])
        return self._replay(request, [receipt], back)

    @admin.action(permissions=["replay"], description="Replay")
    def replay_chosen(self, request: HttpRequest, chosen: QuerySet[Receipt]) -> HttpResponse:
        receipts = list(chosen)
        return self._replay(request, receipts, request.get_full_path(), tuple(receipt.pk for receipt in receipts))

    def _replay(
        self, request: HttpRequest, receipts: list[Receipt], back: str, chosen: tuple[Any, ...] = ()
    ) -> HttpResponse:
        def log(_count: int) -> None:
            for receipt in receipts:
                self.log_change(request, receipt, "replayed")

        rows = Receipt.objects.filter(id__in=[receipt.pk for receipt in receipts])
        said = "receipts you chose" if len(receipts) != 1 else f"receipt {receipts[0].public_id}"
        return ask(self, request, Wish(rows, said, back, log, chosen))

    @admin.display(description="State")
    def standing(self, receipt: Receipt) -> SafeString:
        if receipt.skipped:
            return pill("skipped", "warn", "It came after a later one had been handled.")
        return pill(receipt.state, title=receipt.get_cause_display())

    @admin.display(description="Size")
    def bytes(self, receipt: Receipt) -> SafeString:
        return size(receipt.size)

    @admin.display(description="What you can do")
    def ways(self, receipt: Receipt) -> SafeString:
        return format_html(
            '<span class="wh-ways"><a class="wh-button" href="{}">Replay</a>'
            '<a class="wh-button wh-quiet" href="{}">Download the body</a></span>',
            reverse("admin:webhooks_receipt_replay", args=[receipt.pk]),
            reverse("admin:webhooks_receipt_body", args=[receipt.pk]),
        )

    @admin.display(description="Body, as it came")
    def body_shown(self, receipt: Receipt) -> SafeString:
        try:
            text, rest = preview_body(receipt)
        except OSError:
            return format_html('<p class="wh-note">{}</p>', "Storage is out of reach.")
        note = format_html('<p class="wh-note">{} more bytes: download it.</p>', f"{rest:,}") if rest else ""
        return format_html("{}{}", code(text), note)

    @admin.display(description="Signed with the secret")
    def signed_with(self, receipt: Receipt) -> SafeString | str:
        return secret_by_id(receipt.secret_id) or "None: its scheme knows no secret"

    @admin.display(description="Due (UTC)")
    def due(self, receipt: Receipt) -> str:
        return when(receipt.due_at)

    @admin.display(description="Processed or dead (UTC)")
    def ended(self, receipt: Receipt) -> str:
        return when(receipt.processed_at or receipt.dead_at)

    @admin.display(description="In its sequence")
    def in_sequence(self, receipt: Receipt) -> str:
        return pill("out of order", "warn") if receipt.out_of_order else "-"

    @admin.display(description="Handled by")
    def handlers_shown(self, receipt: Receipt) -> str:
        return ", ".join(receipt.handled_by) if receipt.handled_by else "-"

    @admin.display(description="Last error")
    def error_shown(self, receipt: Receipt) -> str:
        return code(receipt.last_error)
