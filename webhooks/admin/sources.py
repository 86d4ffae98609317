"""Show sources and their statistics; add, change, pause and test them, rotate secrets, replay failed receipts."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from webhooks.admin.display import as_json, secrets_table, state_pill, stats_panel
from webhooks.admin.owners import owner_link, with_owner_names
from webhooks.admin.replay_page import ReplayRequest, check_may_replay, confirm_replay
from webhooks.admin.secret_rotation import secrets_page
from webhooks.admin.source_editing import MAY_ADD, MAY_CHANGE, add_page, edit_page
from webhooks.admin.source_reading import reading_page, reading_panel
from webhooks.admin.test_message import test_message_page
from webhooks.kit.admin.display import NOTHING, code, column, pill, when
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.audit.operation import report
from webhooks.models import Source, SourcePartition
from webhooks.processing.receipt_filter import ReceiptFilter
from webhooks.processing.replays import ReceiptCount, preview, start
from webhooks.sources import source_stats
from webhooks.sources.kinds.registry import HTTP
from webhooks.sources.sources import change_source

HOURS = 24  # shown in the statistics

hide_secrets = method_decorator(sensitive_post_parameters())  # in error reports: also the credentials of any kind


@admin.register(Source)
class SourceAdmin(AdminList):
    """Show sources, with a page for each thing an operator does to one."""

    empty_note = "A source is an address that another system sends its webhooks to."
    list_display = ("public_id", "name", "external_id", "owner", "kind", "sender", "scheme", "state", "created")
    search_help_text = "Search by ID or external ID (exact), or part of the name"
    searches_names = True
    fieldsets = (
        (f"Last {HOURS} hours", {"fields": ("status",)}),
        ("Reading", {"fields": ("kind", "reading", "settings_block")}),
        (
            "General",
            {
                "fields": (
                    *(("public_id", "state"), ("name", "external_id"), "owner"),
                    ("created", "changed"),
                )
            },
        ),
        ("Address", {"fields": ("address",)}),
        (
            "Signature",
            {"fields": (("scheme", "timestamp_tolerance_seconds"), "public_url", "options_block", "secrets_list")},
        ),
        ("Verification", {"fields": (("origins", "has_verify_token"), "handshake_block")}),
        (
            "Field mapping",
            {
                "fields": (
                    *(("dedupe", "dedupe_window_seconds"), ("message_id_place", "event_type_path"), "envelope"),
                    ("order_key_path", "sequence_path"),
                )
            },
        ),
        ("Limits", {"fields": (("max_bytes", "rate_per_minute"), ("content_types", "networks"))}),
        (
            "Response",
            {
                "fields": (
                    ("response_status", "response_when"),
                    *("response_timeout_seconds", "response_content_type", "response_block", "responses_block"),
                )
            },
        ),
        ("Handlers", {"fields": ("handlers_block", ("handler_timeout_seconds", "skip_out_of_order"), "retry_plan")}),
    )
    actions = ("pause", "resume")

    def get_fieldsets(self, request: HttpRequest, obj: Source | None = None) -> Any:
        """Leave out what only sources that senders post to have, or only those that are read; reading comes first."""
        left_out = {"Reading"} if obj is None or obj.kind == HTTP else {"Verification", "Response", "Address"}
        sets = [it for it in super().get_fieldsets(request, obj) if it[0] not in left_out]
        return sorted(sets, key=lambda it: it[0] != "Reading")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """Say who owns each source, and of those that are read whether a partition fails, or has a warning."""
        partitions = SourcePartition.objects.filter(source=OuterRef("pk"))
        rows = with_owner_names(super().get_queryset(request))
        found: QuerySet[Source] = rows.annotate(
            is_failing=Exists(partitions.filter(failing_since__isnull=False)),
            has_warning=Exists(partitions.exclude(warning="")),
        )
        return found

    def get_urls(self) -> list[URLPattern]:
        pages = {"replay": self.replay_failed, "test": self.test, "edit": self.edit, "secrets": self.secrets}
        pages["reading"] = self.reading_of
        own = [
            path(f"<uuid:pk>/{name}/", self.admin_site.admin_view(page), name=f"webhooks_source_{name}")
            for name, page in pages.items()
        ]
        return [*own, *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_ADD)

    @hide_secrets
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Create a source, in place of Django's own form."""
        return add_page(self, request)

    @hide_secrets
    def edit(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Change a source, except its secrets."""
        return edit_page(self, request, pk)

    @hide_secrets
    def secrets(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Add or revoke a secret."""
        return secrets_page(self, request, pk)

    def test(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Send a test message."""
        return test_message_page(self, request, pk)

    def reading_of(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Test, pause or resume a source that is read, or seek in it."""
        return reading_page(self, request, pk)

    def replay_failed(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Ask, then replay all failed receipts of one source."""
        source = get_object_or_404(Source, pk=pk)
        check_may_replay(request)
        selected = ReceiptFilter({"state": "dead", "source": source.public_id})

        def run() -> tuple[ReceiptCount, str]:
            row = start(source.tenant_id, selected, by=request.user.get_username())
            self.log_change(request, source, f"replays its failed receipts: {row.public_id}")
            shown = reverse("admin:webhooks_receiptreplay_change", args=[row.pk])
            page = shown if request.user.has_perm("webhooks.view_receiptreplay") else back
            return ReceiptCount(row.total, row.is_lower_bound), page

        back = reverse("admin:webhooks_source_change", args=[source.pk])
        counted = preview(source.tenant_id, selected)
        return confirm_replay(self, request, ReplayRequest(counted, f"failed receipts of {source}", back, run))

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MAY_CHANGE)

    @admin.action(permissions=["pause"], description="Pause (respond 503)")
    def pause(self, request: HttpRequest, selected: QuerySet[Source]) -> None:
        """Respond 503 to the senders until the sources are resumed."""
        self._set_state(request, selected, Source.State.PAUSED, "paused")

    @admin.action(permissions=["pause"], description="Resume")
    def resume(self, request: HttpRequest, selected: QuerySet[Source]) -> None:
        """End the pause of the selected sources."""
        self._set_state(request, selected, Source.State.ACTIVE, "resumed")

    def _set_state(self, request: HttpRequest, selected: QuerySet[Source], state: str, done: str) -> None:
        changed = 0
        for source in selected.filter(deleted_at=None, paused_at__isnull=state == Source.State.PAUSED):
            change_source(source, {"state": state})
            self.log_change(request, source, done)
            changed += 1
        unchanged = selected.count() - changed
        report(done, changed, unchanged)
        if changed:
            messages.success(request, f"{done.capitalize()}: {changed}")
        if unchanged:
            messages.warning(request, f"No change: {unchanged}")

    @admin.display(description="Status")
    def status(self, source: Source) -> SafeString:
        hours = source_stats.hourly_counts(source, HOURS)
        return stats_panel(source, source_stats.current_counts(source), source_stats.totals(hours), hours)

    message_id_place = column("Message ID path", lambda source: source.message_id_path or NOTHING)
    reading = column("Reading", reading_panel)
    settings_block = column("Settings", lambda source: as_json(source.settings))
    owner = column("Tenant", lambda source: owner_link(source, "Operator"))
    external_id = column("External ID", lambda source: source.uid or "-")

    @admin.display(description="State")
    def state(self, source: Source) -> SafeString:
        is_read = source.kind != HTTP
        if source.deleted_at:
            return state_pill("deleted", "" if is_read else "Senders get 410.")
        if source.paused_at:
            return state_pill("paused", "" if is_read else "Senders get 503 with Retry-After.")
        if not is_read:
            return state_pill("open")
        if getattr(source, "is_failing", False):
            return pill("failing", "bad", "The latest attempt to read failed.")
        return (
            pill("warning", "warn", "See its page.")
            if getattr(source, "has_warning", False)
            else pill("reading", "good")
        )

    @admin.display(description="URL for the sender")
    def address(self, source: Source) -> SafeString | str:
        path = reverse("inbound", args=[source.public_id])
        return code(f"{getattr(settings, 'PUBLIC_URL', '').rstrip('/')}{path}")

    options_block = column("Options", lambda source: as_json(source.options))
    handshake_block = column("Handshake", lambda source: as_json(source.handshake))
    responses_block = column("Responses to other outcomes", lambda source: as_json(source.responses))
    secrets_list = column("Secrets", lambda source: secrets_table(source.secrets.order_by("-id"), timezone.now()))
    origins = column("Allowed origins", lambda source: ", ".join(source.allowed_origins) or "None")
    has_verify_token = column("Verify token", lambda source: "Set" if source.verify_token is not None else "None")
    networks = column("Allowed networks", lambda source: ", ".join(source.allowed_networks) or "All")
    handlers_block = column("Handlers", lambda source: as_json(source.handlers))
    response_block = column("Response body", lambda source: code(source.response_body or ""))
    created = column("Created", lambda source: when(source.created_at))
    changed = column("Changed", lambda source: when(source.updated_at))
