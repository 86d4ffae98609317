"""Show the users of the admin and their groups; reset the second factor of a user who has lost it.

The devices of django-otp have no pages of their own: they are a part of the user, and their page would show the key.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp.plugins.otp_static.admin import StaticDevice
from django_otp.plugins.otp_totp.admin import TOTPDevice
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.access.second_factor import has_second_factor, remove_second_factor
from subscriptions.admin.row_operations import Operation, Operations, OperationsAdmin
from webhooks.kit.admin.display import column, when
from webhooks.kit.admin.lists import AuditedAdmin

for model in (User, Group, StaticDevice, TOTPDevice):
    admin.site.unregister(model)

USERS = Operations[User](User.objects.all)


def _reset(user: User, _fields: Mapping[str, Any]) -> str:
    remove_second_factor(user)
    return "second factor reset"


USERS.register(
    Operation(
        "reset-second-factor",
        "Reset second factor…",
        "The authenticator and the recovery codes stop working. The user signs in with the password only, until a new "
        "second factor is set up. Make sure that it is this user who asks.",
        _reset,
        has_second_factor,
        asks=True,
        is_destructive=True,
        permission="auth.change_user",
    )
)


@admin.register(User)
class UsersAdmin(OperationsAdmin, AuditedAdmin, UserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """Show, add, change and delete users."""

    empty_note = "A user signs in to these pages."
    operations = USERS
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "second_factor", "is_staff", "is_active", "last_sign_in")
    filter_horizontal = ()  # Django's two lists are wider than a phone, and screen readers cannot tell them apart
    search_help_text = "Search by part of the user name, name or email address"
    list_filter = ("groups", "is_staff", "is_superuser", "is_active")
    readonly_fields = ("second_factor", "last_login", "date_joined")
    list_fullwidth = True
    fieldsets = (
        (None, {"fields": ("username", "password", "second_factor")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )

    class Media:
        css = {"all": ["webhooks/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.prefetch_related("groups", "authenticator_set")

    roles = column("Groups", lambda user: ", ".join(it.name for it in user.groups.all()) or "-")
    last_sign_in = column("Last sign-in", lambda user: when(user.last_login), order="last_login")

    @admin.display(description="Second factor")
    def second_factor(self, user: User) -> str:
        devices: Any = user
        return "set up" if any(it.confirmed for it in devices.authenticator_set.all()) else "none"


@admin.register(Group)
class GroupsAdmin(AuditedAdmin, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Show, add, change and delete groups."""

    empty_note = "A group gives its users a role."
    filter_horizontal = ()  # as above
    search_help_text = "Search by part of the name"

    class Media:
        css = {"all": ["webhooks/admin.css"]}
