"""Choose the endpoints that get the results of another endpoint: its invocation records."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from subscriptions.admin.endpoint_form import MAY_CHANGE, endpoint_page, run_for_form
from subscriptions.endpoints.endpoints import change_endpoint
from subscriptions.endpoints.results import FIELDS
from subscriptions.models import Endpoint
from webhooks.kit.admin.display import NOTHING, link, verb
from webhooks.kit.rest.lookup import find


class ResultsForm(forms.Form):
    """Read which endpoints of the same tenant get invocation records."""

    on_success = forms.CharField(
        required=False, label="On success", help_text="ID or external ID of the endpoint that gets them; empty: none."
    )
    on_failure = forms.CharField(
        required=False, label="On failure", help_text="ID or external ID of the endpoint that gets them; empty: none."
    )

    def __init__(self, data: Any, endpoint: Endpoint) -> None:
        super().__init__(data, initial={it: getattr(getattr(endpoint, it), "public_id", "") for it in FIELDS})
        self._endpoints = Endpoint.objects.filter(tenant=endpoint.tenant_id, deleted_at=None)

    def clean_on_success(self) -> Endpoint | None:
        """Return the endpoint for successes."""
        return self._found("on_success")

    def clean_on_failure(self) -> Endpoint | None:
        """Return the endpoint for failures."""
        return self._found("on_failure")

    def _found(self, name: str) -> Endpoint | None:
        text = self.cleaned_data[name].strip()
        found = find(self._endpoints, text) if text else None
        if text and found is None:
            raise forms.ValidationError("The tenant has no endpoint with this ID.")
        return found


def results_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Show which endpoints get the results; on POST change that. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    rows = Endpoint.objects.filter(deleted_at=None).select_related("on_success", "on_failure", "http", "destination")
    endpoint = get_object_or_404(rows, pk=pk)
    form = ResultsForm(request.POST or None, endpoint)
    if request.method == "POST" and form.is_valid():
        changed = run_for_form(form, lambda: change_endpoint(endpoint, form.cleaned_data, by_operator=True))
        if changed is not None:
            model_admin.log_change(request, endpoint, "results changed")
            return redirect("admin:subscriptions_endpoint_change", endpoint.pk)
    title = f"Results of {endpoint}"
    return endpoint_page(model_admin, request, "endpoint_form", title, form=form, back="change", row=endpoint)


def shown_results(endpoint: Endpoint) -> SafeString:
    """Return who gets the results, with a link to the page that changes it."""
    success, failure = (NOTHING if row is None else link(row, str(row)) for row in _named(endpoint))
    page = reverse("admin:subscriptions_endpoint_results", args=[endpoint.pk])
    text = "<div>On success: {}</div><div>On failure: {}</div>{}"
    return format_html(text, success, failure, verb(MAY_CHANGE, page, "Change"))


def _named(endpoint: Endpoint) -> list[Endpoint | None]:
    return [endpoint.on_success, endpoint.on_failure]
