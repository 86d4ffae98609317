"""Show grants, and end them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from subscriptions.admin.actions import confirm_action, is_confirmed, run_for_each
from subscriptions.models import Grant
from subscriptions.routing.grants import end_grant
from webhooks.kit.admin.display import column, first_of, json_block, link, pill, when
from webhooks.kit.admin.lists import AdminList


@admin.register(Grant)
class GrantAdmin(AdminList):
    """Show which tenant may subscribe to which events of another one."""

    empty_note = "A grant lets one tenant subscribe to events of another: POST /api/v1/grants/."
    list_display = ("public_id", "tenant_link", "grantee_link", "first_types", "state_pill", "created")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    list_select_related = ("tenant", "grantee")
    fields = (
        ("public_id", "state_pill"),
        ("tenant", "grantee"),
        *("types", "pattern_text", "description"),
        ("created", "ended"),
    )
    actions = ("end",)

    tenant_link = column("Tenant", lambda grant: link(grant.tenant, grant.tenant.name))
    grantee_link = column("Grantee", lambda grant: link(grant.grantee, grant.grantee.name))
    types = column("Event types", lambda grant: ", ".join(grant.event_types))
    first_types = column("Event types", lambda grant: first_of(grant.event_types))
    pattern_text = column("Pattern", lambda grant: json_block(grant.pattern, "None: every event of these types"))
    state_pill = column("State", lambda grant: pill("ended", "warn") if grant.ended_at else pill("in force", "good"))
    created = column("Created", lambda row: when(row.created_at))
    ended = column("Ended", lambda grant: when(grant.ended_at))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("subscriptions.change_grant")

    @admin.action(permissions=["operate"], description="End")
    def end(self, request: HttpRequest, selected: QuerySet[Grant]) -> HttpResponse | None:
        """Ask, then end the selected grants, so that nothing more is shared by them."""
        if not is_confirmed(request):
            note = "No further event is shared by them. That cannot be undone; the owner can create new grants."
            return confirm_action(self, request, selected, "End", note)
        run_for_each(self, request, selected, end_grant, "ended")
        return None
