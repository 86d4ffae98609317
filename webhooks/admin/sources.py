"""Sources: how each stands, and the ways to add, change, pause and try one, and to have what died at it run again."""

from datetime import datetime
from typing import Any

import orjson
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from webhooks.admin.browsing import Browsing
from webhooks.admin.display import code, figures, pill, secrets_table, when
from webhooks.admin.editing import MAY_ADD, add_page, edit_page
from webhooks.admin.replaying import Wish, ask
from webhooks.admin.secret_rotation import secrets_page
from webhooks.admin.test_message import try_page
from webhooks.models import Receipt, Source
from webhooks.sources import source_stats

HOURS = 24

# Error reports leave these out.
unreported = method_decorator(sensitive_post_parameters("secret", "verify_token"))


@admin.register(Source)
class SourceAdmin(Browsing):
    list_display = ("public", "name", "uid", "scheme", "state", "created")
    searched = {"src": "pk"}
    search_help_text = "An id or a uid, whole; or a part of the name."
    fieldsets = (
        (f"The last {HOURS} hours", {"fields": ("stats_shown",)}),
        ("What it is", {"fields": (("public", "state"), ("name", "uid"), "tenant_id", ("created", "changed"))}),
        (
            "How it signs",
            {"fields": (("scheme", "timestamp_tolerance_seconds"), "public_url", "options_shown", "secrets_shown")},
        ),
        ("Before the first message", {"fields": (("origins", "challenged"),)}),
        (
            "Where things stand",
            {"fields": (("message_id_path", "event_type_path"), ("order_key_path", "sequence_path"))},
        ),
        ("What it may send", {"fields": (("max_bytes", "rate_per_minute"), "content_types")}),
        (
            "What it is answered",
            {
                "fields": (
                    ("response_status", "response_when", "response_timeout_seconds"),
                    "response_content_type",
                    "answer_shown",
                )
            },
        ),
        (
            "What works on it",
            {"fields": ("handlers_shown", ("handler_timeout_seconds", "skip_out_of_order"), "retry_plan")},
        ),
    )
    actions = ("pause", "resume")

    def get_urls(self) -> list[URLPattern]:
        pages = {"replay": self.replay_dead, "try": self.try_out, "edit": self.edit, "secrets": self.secrets}
        own = [
            path(f"<uuid:pk>/{word}/", self.admin_site.admin_view(page), name=f"webhooks_source_{word}")
            for word, page in pages.items()
        ]
        return [*own, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_ADD)

    @unreported
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        return add_page(self, request)

    @unreported
    def edit(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Change what it is, but for its secrets."""
        return edit_page(self, request, pk)

    @unreported
    def secrets(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Add a secret, or revoke one."""
        return secrets_page(self, request, pk)

    def find_text(self, rows: QuerySet[Source], term: str) -> QuerySet[Source]:
        return rows.filter(Q(uid=term) | Q(name__icontains=term))

    @admin.display(description="How it stands")
    def stats_shown(self, source: Source) -> SafeString:
        hours = source_stats.hourly_counts(source, HOURS)
        return figures(source, source_stats.current_counts(source), source_stats.totals(hours), hours)

    @admin.display(description="State")
    def state(self, source: Source) -> SafeString:
        if source.deleted_at:
            return pill("deleted", title="Senders are answered 410.")
        if source.paused_at:
            return pill("paused", title="Senders are answered 503 and told to come back.")
        return pill("open")

    @admin.display(description="Options")
    def options_shown(self, source: Source) -> str:
        return as_json(source.options)

    @admin.display(description="Secrets")
    def secrets_shown(self, source: Source) -> SafeString:
        return secrets_table(source.secrets.order_by("-id"), timezone.now())

    @admin.display(description="Consents by OPTIONS to")
    def origins(self, source: Source) -> str:
        return ", ".join(source.allowed_origins) or "Nobody"

    @admin.display(description="Verify token")
    def challenged(self, source: Source) -> str:
        return "Set" if source.verify_token is not None else "None"

    def try_out(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Send it a test message."""
        return try_page(self, request, pk)

    @admin.display(description="Handlers")
    def handlers_shown(self, source: Source) -> str:
        return as_json(source.handlers)

    @admin.display(description="Answer")
    def answer_shown(self, source: Source) -> str:
        return code(source.response_body)

    @admin.display(description="Created (UTC)")
    def created(self, source: Source) -> str:
        return when(source.created_at)

    @admin.display(description="Changed (UTC)")
    def changed(self, source: Source) -> str:
        return when(source.updated_at)

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("webhooks.change_source")

    @admin.action(permissions=["pause"], description="Pause: answer 503 until resumed")
    def pause(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        self._set(request, chosen, timezone.now(), "paused")

    @admin.action(permissions=["pause"], description="Resume")
    def resume(self, request: HttpRequest, chosen: QuerySet[Source]) -> None:
        self._set(request, chosen, None, "resumed")

    def _set(self, request: HttpRequest, chosen: QuerySet[Source], paused_at: datetime | None, word: str) -> None:
        for source in chosen:
            source.paused_at = paused_at
            source.save(update_fields=["paused_at", "updated_at"])
            self.log_change(request, source, word)

    def replay_dead(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Have all dead receipts of one source handled again."""
        source = get_object_or_404(Source, pk=pk)
        wish = Wish(
            Receipt.objects.filter(source_stats.STATES["dead"], source=source),
            f"dead receipts of {source}",
            reverse("admin:webhooks_source_change", args=[source.pk]),
            lambda count: self.log_change(request, source, f"replayed {count} dead receipts"),
        )
        return ask(self, request, wish)


def as_json(value: object) -> str:
    return code(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() if value else "")
