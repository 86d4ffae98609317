"""Create an endpoint of any type, and change the settings of one that is not called by its URL.

The fields follow from what the type declares; the domain checks the values, and tries the settings. No transaction is
open meanwhile; Django's own form pages would open one. The signing secret is shown once. Credentials are never shown:
an empty field keeps the stored one.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from subscriptions.admin.actions import show_once
from subscriptions.connectors.catalogue import list_connectors
from subscriptions.endpoints.destinations.kind import Setting
from subscriptions.endpoints.destinations.registry import HTTP, find_kind, kind_names, list_kinds
from subscriptions.endpoints.endpoints import change_endpoint, create_endpoint
from subscriptions.errors import Invalid, InvalidParts
from subscriptions.models import Endpoint, Tenant
from subscriptions.validation import check_text, check_uid
from webhooks.kit.admin.setting_fields import field_name, setting_field
from webhooks.kit.jsonata.evaluators import EvaluatorUnavailable
from webhooks.outgoing.errors import LimitReached
from webhooks.wire.ids import parse

MAY_ADD, MAY_CHANGE = "subscriptions.add_endpoint", "subscriptions.change_endpoint"  # permissions
NO_EVALUATOR = "No process that evaluates JSONata expressions is free; try again."
URL = Setting("url", "URL", "Address that receives the deliveries.", is_required=True)


class SettingsForm(forms.Form):
    """Read the settings and credentials of a type. ``stored``: settings to begin with; None: of a new endpoint."""

    skip_test = forms.BooleanField(
        required=False, label="Store without a test", help_text="Do not try the settings before they are stored."
    )

    def __init__(self, data: Any, declared: Iterable[Setting], stored: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.declared = list(declared)
        for setting in self.declared:
            initial = setting.default if stored is None else stored.get(setting.name, setting.default)
            self.fields[field_name(setting)] = setting_field(setting, initial=initial, is_new=stored is None)
        self.order_fields([name for name in self.fields if name != "skip_test"])
        for field in self.fields.values():
            if not isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = "wp-input"

    def values(self, *, of_credentials: bool) -> dict[str, Any]:
        """Return the members of ``settings`` or of ``credentials`` that were given."""
        given = {
            it.name: self.cleaned_data.get(field_name(it)) for it in self.declared if it.is_credential is of_credentials
        }
        return {name: value for name, value in given.items() if value not in (None, "", [])}


class NewEndpointForm(SettingsForm):
    """Read a new endpoint of one type."""

    tenant = forms.CharField(label="Tenant", help_text="ID of the tenant, or your own ID of it.")
    uid = forms.CharField(required=False, label="External ID", help_text="Your own ID of the endpoint.")
    description = forms.CharField(required=False, max_length=1024, label="Description", help_text="Free text.")

    def clean_tenant(self) -> Tenant:
        """Return the tenant."""
        text = self.cleaned_data["tenant"].strip()
        rows = Tenant.objects.filter(deleted_at=None)
        try:
            found = rows.filter(id=parse(Tenant.prefix, text)).first()
        except ValueError:
            found = rows.filter(uid=text).first()
        if found is None:
            raise forms.ValidationError("There is no tenant with this ID.")
        return found

    def clean_uid(self) -> str | None:
        """Return the external ID; None if it is empty."""
        return self._checked("uid", lambda text: check_uid(Endpoint.prefix, text or None)) or None

    def clean_description(self) -> str:
        """Return the description."""
        return str(self._checked("description", lambda text: check_text("description", text)))

    def _checked(self, name: str, check: Any) -> Any:
        try:
            check(self.cleaned_data[name])
        except Invalid as error:
            raise forms.ValidationError(error.message) from None
        return self.cleaned_data[name]


def add_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Ask for the type, then show its form; on POST create the endpoint. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_ADD):
        raise PermissionDenied
    kind = request.GET.get("type", "")
    if kind not in kind_names():
        return endpoint_page(
            model_admin, request, "endpoint_types", "Add endpoint", types=list_kinds(), connectors=list_connectors()
        )
    declared = [URL] if kind == HTTP else find_kind(kind).settings
    form = NewEndpointForm(request.POST or None, declared)
    if request.method == "POST" and form.is_valid():
        tenant, cleaned = form.cleaned_data["tenant"], form.cleaned_data
        general = {"uid": cleaned["uid"], "description": cleaned["description"], "kind": kind}
        created = run_for_form(form, lambda: create_endpoint(tenant, **general, **_own(kind, form)))
        if created is not None:
            endpoint, secret = created
            model_admin.log_addition(request, endpoint, f"added, type {kind}")
            return show_once(model_admin, request, "Signing secret of the new endpoint", [(str(endpoint), secret)])
    title = f"Add endpoint: {'HTTP' if kind == HTTP else find_kind(kind).label}"
    return endpoint_page(model_admin, request, "endpoint_form", title, form=form, back="changelist")


def settings_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Show the settings of an endpoint; on POST change them. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    rows = Endpoint.objects.filter(deleted_at=None, destination__isnull=False).select_related("destination")
    endpoint = get_object_or_404(rows, pk=pk)
    declared = find_kind(endpoint.kind).settings
    form = SettingsForm(request.POST or None, declared, endpoint.destination.settings)
    if request.method == "POST" and form.is_valid():
        changed = run_for_form(form, lambda: change_endpoint(endpoint, _own(endpoint.kind, form), by_operator=True))
        if changed is not None:
            model_admin.log_change(request, endpoint, "settings changed")
            return redirect("admin:subscriptions_endpoint_change", endpoint.pk)
    return endpoint_page(
        model_admin, request, "endpoint_form", f"Settings of {endpoint}", form=form, back="change", row=endpoint
    )


def _own(kind: str, form: SettingsForm) -> dict[str, Any]:
    settings = form.values(of_credentials=False)
    if kind == HTTP:
        return settings
    fields = {"settings": settings, "credentials": form.values(of_credentials=True)}
    return {**fields, "skip_test": form.cleaned_data["skip_test"]}


def run_for_form(form: forms.Form, write: Any) -> Any:
    """Return what ``write`` returns; None if it was refused, and the form has the reasons."""
    try:
        return write()
    except InvalidParts as error:
        for path, message in error.problems.items():
            form.add_error(path.replace(".", "_") if path.replace(".", "_") in form.fields else None, message)
    except Invalid as error:
        name = f"settings_{error.field}" if f"settings_{error.field}" in form.fields else error.field
        form.add_error(name if name in form.fields else None, error.message)
    except LimitReached as error:
        form.add_error(None, str(error))
    except EvaluatorUnavailable:
        form.add_error(None, NO_EVALUATOR)
    return None


def endpoint_page(model_admin: Any, request: HttpRequest, template: str, title: str, **values: Any) -> HttpResponse:
    """Return a page that browsers do not store."""
    site = model_admin.admin_site.each_context(request)
    context = {**site, "title": title, "opts": Endpoint._meta, "media": model_admin.media, **values}
    context["original"] = values.get("row")
    response = TemplateResponse(request, f"subscriptions/admin/{template}.html", context)
    response["Cache-Control"] = "no-store"
    return response
