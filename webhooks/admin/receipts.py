"""Show receipts: received messages, the state of their handlers, and how to replay them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from webhooks.admin.display import attempt_pill, secret_by_id, state_pill, steps_line
from webhooks.admin.message_list import SEES_PAYLOADS, SOURCE_FILTER, MessageList, ReceivedFilter
from webhooks.admin.replay_page import PERMISSION, ReplayRequest, check_may_replay, confirm_replay, may_replay
from webhooks.audit.looks import HIDDEN, may_see_payload
from webhooks.kit.admin.display import NOTHING, code, column, may, pill, size, when
from webhooks.kit.audit.operation import begin, report
from webhooks.models import Receipt
from webhooks.processing.receipts import attempts_of, by_event_type, by_message_id
from webhooks.processing.replays import ReceiptCount, replay_now
from webhooks.receiving.body_preview import download_body, preview_body
from webhooks.sources.source_stats import STATES, UNHANDLED

STORAGE_UNAVAILABLE = "Storage unavailable. Try again later."


class StateFilter(admin.SimpleListFilter):
    """Filter receipts by state."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name.capitalize()) for name in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> QuerySet[Receipt]:
        return queryset.filter(STATES[self.value() or ""]) if self.value() in STATES else queryset


class UnhandledFilter(admin.SimpleListFilter):
    """Filter the receipts that matched none of the handlers of their source."""

    title = "handlers"
    parameter_name = "unhandled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Matched none")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> QuerySet[Receipt]:
        return queryset.filter(UNHANDLED) if self.value() else queryset


@admin.register(Receipt)
class ReceiptAdmin(MessageList):
    """Show receipts, replay them and download their bodies."""

    empty_note = "Messages that a source has accepted appear here."
    list_display = (*("public_id", "source_link", "event_type", "sender_id", "state", "attempts", "bytes"), "received")
    list_filter = (*SOURCE_FILTER, StateFilter, UnhandledFilter, "cause", ReceivedFilter, "out_of_order")
    search_columns = {"rcp": "pk", "src": "source"}
    search_help_text = "Search by ID of a receipt or source, message ID or event type (exact)"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *(("public_id", "state"), ("source_link", "received"), ("event_type", "sender_id")),
                    "buttons",
                )
            },
        ),
        (
            "Handlers",
            {
                "fields": (
                    *(("attempts", "claims"), ("due", "settled"), "signed_with", ("order_key", "sequence")),
                    *("handler_names", "attempts_block"),
                )
            },
        ),
        ("Body", {"fields": (("content_type", "bytes"), "digest", "body_block")}),
        ("Headers (credentials removed)", {"fields": ("headers_block",)}),
    )
    actions = ("replay_selected",)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/body/", view(self.body), name="webhooks_receipt_body"),
            path("<uuid:pk>/replay/", view(self.replay_one), name="webhooks_receipt_replay"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receipt]:
        rows: QuerySet[Receipt] = super().get_queryset(request).defer("body", "history")
        return rows.select_related("source")

    def find_text(self, rows: QuerySet[Receipt], term: str) -> QuerySet[Receipt]:
        by_id = rows.filter(by_message_id(term))
        return by_id if by_id.exists() else rows.filter(by_event_type(term))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return may_replay(request)

    def body(self, request: HttpRequest, pk: Any) -> HttpResponseBase:
        """Respond with the body as a file."""
        receipt = get_object_or_404(Receipt, pk=pk)
        if not self.has_view_permission(request) or not may_see_payload(request, receipt):
            raise PermissionDenied
        try:
            return download_body(receipt)
        except OSError:
            return HttpResponse(STORAGE_UNAVAILABLE, content_type="text/plain", status=503)

    def replay_one(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Ask, then replay one receipt."""
        receipt = get_object_or_404(Receipt, pk=pk)
        back = reverse("admin:webhooks_receipt_change", args=[receipt.pk])
        return self._replay(request, [receipt], back)

    @admin.action(permissions=["replay"], description="Replay selected")
    def replay_selected(self, request: HttpRequest, selected: QuerySet[Receipt]) -> HttpResponse:
        """Ask, then replay the selected receipts."""
        receipts = list(selected)
        keys = tuple(receipt.pk for receipt in receipts)
        return self._replay(request, receipts, request.get_full_path(), keys)

    def _replay(
        self, request: HttpRequest, receipts: list[Receipt], back: str, selected: tuple[Any, ...] = ()
    ) -> HttpResponse:
        check_may_replay(request)

        def run() -> tuple[ReceiptCount, str]:
            settled = [receipt for receipt in receipts if receipt.state != "pending"]  # others run anyway
            if settled:
                begin(settled[0], "replayed")
            replayed = replay_now(settled)
            for receipt in settled:
                self.log_change(request, receipt, "replayed")
            report("replayed", replayed, len(receipts) - replayed)
            return ReceiptCount(replayed), back

        settled = ReceiptCount(sum(receipt.state != "pending" for receipt in receipts))
        description = "selected receipts" if len(receipts) != 1 else f"receipt {receipts[0].public_id}"
        return confirm_replay(self, request, ReplayRequest(settled, description, back, run, selected))

    @admin.display(description="State")
    def state(self, receipt: Receipt) -> SafeString:
        if receipt.skipped:
            return pill("skipped", "warn", "A later one of its order key was handled before.")
        if receipt.is_unhandled:
            return pill("unhandled", "warn", "Its source has handlers, and none of them is for this message.")
        return state_pill(receipt.state, receipt.get_cause_display())

    sender_id = column("Message ID", lambda receipt: receipt.message_id)
    digest = column("SHA-256", lambda receipt: receipt.sha256)
    bytes = column("Size", lambda receipt: size(receipt.size))

    @admin.display(description="Actions")
    def buttons(self, receipt: Receipt) -> SafeString:
        pages = [
            (PERMISSION, "", "webhooks_receipt_replay", "Replay"),
            (SEES_PAYLOADS, " wp-quiet", "webhooks_receipt_body", "Download body"),
        ]
        shown = [
            (tone, reverse(f"admin:{page}", args=[receipt.pk]), text) for key, tone, page, text in pages if may(key)
        ]
        links = format_html_join("", '<a class="wp-button{}" href="{}">{}</a>', shown)
        return format_html('<span class="wp-buttons">{}</span>', links) if links else SafeString(NOTHING)

    @admin.display(description="Body")
    def body_block(self, receipt: Receipt) -> SafeString:
        try:
            text, rest = preview_body(receipt)
        except OSError:
            return format_html('<p class="wp-note">{}</p>', STORAGE_UNAVAILABLE)
        note = format_html('<p class="wp-note">{} more bytes in the download</p>', f"{rest:,}") if rest else ""
        return format_html("{}{}", code(text), note)

    signed_with = column("Signed with", lambda receipt: secret_by_id(receipt.secret_id) or "No secret")
    due = column("Next run due", lambda receipt: when(receipt.due_at))
    settled = column("Processed or failed", lambda receipt: when(receipt.processed_at or receipt.dead_at))
    sequence = column("Sequence", lambda receipt: pill("out of order", "warn") if receipt.out_of_order else NOTHING)
    handler_names = column(
        "Handled by", lambda receipt: ", ".join(receipt.handled_by) if receipt.handled_by else NOTHING
    )

    @admin.display(description="Attempts, newest first")
    def attempts_block(self, receipt: Receipt) -> SafeString:
        """Return the runs. Their errors may quote the message: ``get_fieldsets`` records who sees them."""
        sees = may(SEES_PAYLOADS)
        shown = [
            (
                *(when(it.ended_at), attempt_pill(it.outcome), it.number, it.error if sees or not it.error else HIDDEN),
                steps_line(it.steps, shows_details=sees),
                code(it.traceback) if it.traceback and sees else "",
            )
            for it in attempts_of(receipt)
        ]
        text = '<div class="wp-attempt"><p>{} {} Attempt {}</p><p class="wp-note">{}</p>{}{}</div>'
        return format_html_join("", text, shown) or SafeString(NOTHING)
