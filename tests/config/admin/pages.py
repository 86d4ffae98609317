"""Make a row for each page that is registered in the admin, and read the forms of a page as a browser does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice

from config.access.authenticator import Authenticator
from config.access.roles import make_roles
from delivery.models import AlertRule, DrainReport, Heartbeat, Lane, Usage
from subscriptions.models import Role, Tenant
from tests.api.tenant_rows import TenantRows
from tests.delivery.factories_load import make_drain_report, make_heartbeat
from tests.factories import make_tenant

WITHOUT_ROWS = {DrainReport, Heartbeat, Usage}  # a report in place of the list


def make_rows() -> tuple[Tenant, dict[type[Model], Any]]:
    """Return a tenant, and a row of each table that has a page."""
    assert Tenant in admin.site._registry
    tenant = make_tenant(name="Acme")
    rows = TenantRows(tenant)
    rows.all()
    Lane.objects.get_or_create(endpoint=rows.endpoint(), defaults={"tenant": tenant})
    make_drain_report(), make_heartbeat("worker")
    make_roles()
    User.objects.create_user("colleague", password="x" * 12)
    user = User.objects.create_user("with a second factor", password="x" * 12)
    StaticDevice.objects.create(user=user, name="codes"), Authenticator.objects.create(user=user, name="phone")
    found = {model: model._default_manager.first() for model in admin.site._registry if model not in WITHOUT_ROWS}
    found |= {User: user}
    found |= {AlertRule: AlertRule.objects.filter(tenant=tenant).first()}  # others are built in
    assert [model for model, row in found.items() if row is None] == []
    return tenant, found


def page_of(model: type[Model], page: str, *arguments: Any) -> str:
    """Return the path of a page of the admin."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def signed_in(role: Role) -> Client:
    """Return a client of a user with this role only."""
    user = User.objects.create_user(f"a {role}", password="x" * 12, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@dataclass
class Form:
    """A form of a page, with the values that a browser sends if they are not changed."""

    action: str
    values: dict[str, list[str]] = field(default_factory=dict)


class FormReader(HTMLParser):
    """Read the forms that are sent by POST."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select: tuple[str, bool] | None = None
        self._text: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form" and given.get("method", "").lower() == "post":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        elif self._form is None or not (name := given.get("name", "")):
            if tag == "option" and self._select is not None and self._form is not None:
                self._option(given)
        elif tag == "input" and given.get("type") not in ("submit", "button", "file"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                default = "on" if given.get("type") in ("checkbox", "radio") else ""
                self._form.values.setdefault(name, []).append(given.get("value", default))
        elif tag == "button" and "value" in given and given.get("type") == "submit":
            self._form.values.setdefault(name, [given["value"]])
        elif tag == "select":
            self._select = name, "multiple" in given
        elif tag == "textarea":
            self._text = name
            self._form.values[name] = [""]

    def _option(self, given: dict[str, str]) -> None:
        assert self._form is not None
        assert self._select is not None
        name, is_multiple = self._select
        if "selected" in given or (not is_multiple and name not in self._form.values):
            known = self._form.values.setdefault(name, []) if is_multiple else []
            self._form.values[name] = [*known, given.get("value", "")]

    def handle_data(self, data: str) -> None:
        if self._text is not None and self._form is not None:
            self._form.values[self._text][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._text = None


def forms_of(response: HttpResponse) -> list[Form]:
    """Return the forms of the page's content that are sent by POST, without those of its frame."""
    reader = FormReader()
    reader.feed(response.content.decode())
    return [it for it in reader.forms if "logout" not in it.action and "theme" not in it.values]
