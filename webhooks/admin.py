"""The operators' pages of the receiver: they read, replay receipts, and pause sources.

Nothing here shows a secret or counts a table. Bodies and headers are other people's text: escaped, and cut.
"""

from typing import Any

import orjson
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from webhooks.models import Receipt, Rejection, Source
from webhooks.protocol.ids import parse
from webhooks.replay import replay
from webhooks.standing import STATES

PREVIEW = 4096  # bytes of a body that are shown


class Browsing(ModelAdmin):  # type: ignore[misc]
    """Rows nobody edits, newest first; the search finds one by its id."""

    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = "An id, whole."
    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = list_max_show_all = 50
    list_disable_select_all = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=parse(self.model.prefix, term)), False
        except ValueError:
            return queryset.none(), False

    @admin.display(description="Id")
    def public_id(self, row: Any) -> str:
        return str(row.public_id)

    @admin.display(description="Headers")
    def headers_shown(self, row: Any) -> SafeString:
        return as_text("\n".join(f"{name}: {value}" for name, value in row.headers.items()))


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Receipt]) -> QuerySet[Receipt]:
        return queryset.filter(STATES[self.value() or ""]) if self.value() in STATES else queryset


@admin.register(Source)
class SourceAdmin(Browsing):
    """Sources are made and changed over REST, where a secret is shown once; here they are looked at and paused."""

    list_display = ("public_id", "name", "uid", "scheme", "paused_at", "deleted_at")
    fields = (
        *("public_id", "tenant_id", "uid", "name", "scheme", "options_shown", "tolerance", "public_url"),
        *("message_id_at", "event_type_at", "order_key_at", "max_bytes", "rate_per_minute", "answer_status"),
        *("handlers_shown", "paused_at", "deleted_at", "created_at", "updated_at"),
    )
    actions = ("pause", "resume")

    @admin.display(description="Options")
    def options_shown(self, source: Source) -> SafeString:
        return as_text(orjson.dumps(source.options).decode())

    @admin.display(description="Handlers")
    def handlers_shown(self, source: Source) -> SafeString:
        return as_text(orjson.dumps(source.handlers).decode())

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_source")

    @admin.action(permissions=["pause"], description="Pause: answer 503 until resumed")
    def pause(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        self._set(request, chosen, timezone.now(), "paused")

    @admin.action(permissions=["pause"], description="Resume")
    def resume(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        self._set(request, chosen, None, "resumed")

    def _set(self, request: HttpRequest, chosen: QuerySet[Source], paused_at: Any, word: str) -> None:
        for source in chosen:
            source.paused_at = paused_at
            source.save(update_fields=["paused_at", "updated_at"])
            self.log_change(request, source, word)


@admin.register(Receipt)
class ReceiptAdmin(Browsing):
    list_display = ("public_id", "source", "event_type", "state", "attempts", "size", "received_at")
    list_filter = (StateFilter, "cause")
    list_select_related = ("source",)
    fields = (
        *("public_id", "source", "state", "message_id", "event_type", "order_key", "content_type"),
        *("headers_shown", "body_shown", "size", "sha256", "received_at", "due_at", "claims", "attempts"),
        *("last_error", "processed_at", "handled_by", "dead_at", "cause"),
    )
    actions = ("replay_chosen",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receipt]:
        rows: QuerySet[Receipt] = super().get_queryset(request).defer("body")
        return rows

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.replay_receipt")

    @admin.display(description="Body")
    def body_shown(self, receipt: Receipt) -> SafeString:
        try:
            with receipt.open() as file:
                head = file.read(PREVIEW)
        except OSError:
            return as_text("(storage is out of reach)")
        rest = receipt.size - len(head)
        return as_text(head.decode("utf-8", "replace") + (f"\n({rest} more bytes)" if rest else ""))

    @admin.action(permissions=["replay"], description="Replay")
    def replay_chosen(self, request: HttpRequest, chosen: QuerySet[Receipt]) -> HttpResponse | None:
        """Ask first; then bring them back, and write down who did."""
        receipts = list(chosen)
        if request.POST.get("confirmed") != "yes":
            return self._ask(request, receipts)
        count = replay(Receipt.objects.filter(id__in=[receipt.id for receipt in receipts]))
        for receipt in receipts:
            self.log_change(request, receipt, "replayed")
        self.message_user(request, f"{count} made due again.", messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, receipts: list[Receipt]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Replay",
            "count": len(receipts),
            "ids": [receipt.pk for receipt in receipts],
            "checkbox": ACTION_CHECKBOX_NAME,
            "back": request.get_full_path(),
        }
        return TemplateResponse(request, "webhooks/confirm_replay.html", context)


@admin.register(Rejection)
class RejectionAdmin(Browsing):
    list_display = ("public_id", "source", "reason", "detail", "size", "unrecorded", "received_at")
    list_select_related = ("source",)
    fields = (
        *("public_id", "source", "reason", "detail", "headers_shown", "address", "size", "sha256"),
        *("unrecorded", "received_at"),
    )


def as_text(text: str) -> SafeString:
    """Other people's text, as text."""
    return format_html('<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>', text)
