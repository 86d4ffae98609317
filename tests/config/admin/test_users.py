"""Test the page of a user: deletion and a second factor that is reset, both in the audit; devices have no pages."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.access.authenticator import Authenticator
from config.access.roles import make_roles
from subscriptions.models import Role
from tests.config.admin.pages import signed_in
from webhooks.audit.entries import history_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    """Return a user with a second factor."""
    made = User.objects.create_user("ada", password="x" * 12, is_staff=True)
    Authenticator.objects.create(user=made, name="authenticator", confirmed=True)
    TOTPDevice.objects.create(user=made, name="authenticator", confirmed=True)  # of the version before
    StaticDevice.objects.create(user=made, name="recovery codes")
    return made


@pytest.fixture
def administrator() -> Client:
    make_roles()
    return signed_in(Role.ADMINISTRATOR)


def page_of(user: User, page: str = "change") -> str:
    return reverse(f"admin:auth_user_{page}", args=[user.pk])


def reset_page(user: User) -> str:
    return reverse("admin:auth_user_operation", args=[user.pk, "reset-second-factor"])


def test_user_with_a_second_factor_is_deleted_with_it(administrator: Client, user: User) -> None:
    asked = administrator.get(page_of(user, "delete"))
    assert asked.status_code == 200
    assert "perms_lacking" in asked.context
    assert not asked.context["perms_lacking"]
    assert administrator.post(page_of(user, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()
    assert not Authenticator.objects.exists()
    entry = history_of(user).get(action="deleted", part="")
    assert (entry.actor_name, entry.object_name) == ("a administrator", "ada")


def test_selected_users_with_a_second_factor_are_deleted(administrator: Client, user: User) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [str(user.pk)], "post": "yes"}
    assert administrator.post(reverse("admin:auth_user_changelist"), chosen).status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()


def test_second_factor_is_reset_after_a_confirmation_and_recorded(administrator: Client, user: User) -> None:
    assert reset_page(user) in administrator.get(page_of(user)).content.decode()
    asked = administrator.get(reset_page(user)).content.decode()
    assert "recovery codes stop working" in asked
    assert Authenticator.objects.exists()
    assert administrator.post(reset_page(user))["Location"] == page_of(user)
    assert not Authenticator.objects.exists()
    assert not TOTPDevice.objects.exists()
    assert not StaticDevice.objects.exists()
    entry = history_of(user).latest("id")
    assert (entry.after, entry.actor_name) == ({"note": "second factor reset"}, "a administrator")
    page = administrator.get(page_of(user)).content.decode()
    assert reset_page(user) not in page
    assert "second factor reset" in administrator.get(page_of(user, "history")).content.decode()


def test_second_factor_is_not_reset_without_the_permission_to_change_users(user: User) -> None:
    make_roles()
    assert signed_in(Role.OPERATOR).post(reset_page(user)).status_code == 403
    assert Authenticator.objects.exists()


def test_list_says_who_has_a_second_factor(administrator: Client, user: User) -> None:
    page = administrator.get(reverse("admin:auth_user_changelist"), {"q": user.username}).content.decode()
    assert "set up" in page


def test_devices_have_no_pages_and_no_place_in_the_sidebar(user: User) -> None:
    assert {Authenticator, TOTPDevice, StaticDevice} & set(admin.site._registry) == set()
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x" * 12))
    page = client.get("/admin/").content.decode()
    assert "otp_totp" not in page
    assert "otp_static" not in page
    key = Authenticator.objects.get(user=user).key.hex()
    assert key not in client.get(page_of(user)).content.decode()
