"""Edit an endpoint: URL, headers, timeout, rate, concurrency and retry plan, checked by the domain as over REST.

The values of custom headers are stored encrypted and not shown: a header with ``***`` keeps its value.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from subscriptions.admin.endpoint_form import MAY_CHANGE, endpoint_page, run_for_form
from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.endpoints.endpoints import change_endpoint
from subscriptions.endpoints.http.encrypted_fields import MASK
from subscriptions.endpoints.retry_plan import MAX_WAIT, MAX_WAITS
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from subscriptions.validation import check_text
from webhooks.wire.custom_headers import ForbiddenHeader, check

BOUNDED = ("timeout_ms", "rate_limit", "rate_burst", "max_in_flight")  # numbers whose bounds the model has
INPUT = {"class": "wp-input"}
LINES = {"class": "wp-input", "rows": 4, "spellcheck": "false", "autocomplete": "off"}


class EditForm(forms.Form):
    """Read the settings of an endpoint; those of HTTP are left out for other types."""

    url = forms.CharField(label="URL", max_length=2048, widget=forms.TextInput(attrs=INPUT))
    description = forms.CharField(
        required=False,
        max_length=1024,
        label="Description",
        help_text="Free text.",
        widget=forms.TextInput(attrs=INPUT),
    )
    headers = forms.CharField(
        required=False,
        label="Custom headers",
        help_text=f"One per line, such as X-Api-Key: secret. {MASK} keeps the stored value; a line that is missing "
        "removes the header.",
        widget=forms.Textarea(attrs=LINES),
    )
    timeout_ms = forms.IntegerField(
        label="Timeout (ms)", help_text="Of one attempt, 1,000 to 30,000.", widget=forms.NumberInput(attrs=INPUT)
    )
    rate_limit = forms.IntegerField(
        required=False,
        label="Rate limit",
        help_text="Attempts per period; empty: no limit.",
        widget=forms.NumberInput(attrs=INPUT),
    )
    rate_period = forms.ChoiceField(
        label="Period", choices=Endpoint.RatePeriod.choices, widget=forms.Select(attrs=INPUT)
    )
    rate_burst = forms.IntegerField(
        required=False,
        label="Burst",
        help_text="Attempts at once after a pause; empty: a tenth of a second's rate.",
        widget=forms.NumberInput(attrs=INPUT),
    )
    max_in_flight = forms.IntegerField(
        label="Concurrency", help_text="Attempts at once, at most 512.", widget=forms.NumberInput(attrs=INPUT)
    )
    retry_plan = forms.CharField(
        required=False,
        label="Retry plan",
        help_text="Seconds to wait after each failure, such as 5, 300, 1800; empty: the default.",
        widget=forms.TextInput(attrs=INPUT),
    )

    def __init__(self, data: Any, endpoint: Endpoint) -> None:
        http = getattr(endpoint, "http", None)
        plan = endpoint.retry_plan or []
        initial = {name: getattr(endpoint, name) for name in self.base_fields if hasattr(endpoint, name)}
        initial["retry_plan"] = ", ".join(map(str, plan))
        if http is not None:
            initial |= {"url": http.url, "headers": "\n".join(f"{name}: {MASK}" for name in http.headers)}
        super().__init__(data, initial=initial)
        for name in BOUNDED:
            self.fields[name].validators += Endpoint._meta.get_field(name).validators  # type: ignore[union-attr]
        if endpoint.kind != HTTP:
            del self.fields["url"], self.fields["headers"]

    def clean_headers(self) -> dict[str, str]:
        """Return the headers by name. Raises ValidationError for one that must not be set."""
        headers = {}
        for line in self.cleaned_data["headers"].splitlines():
            if not line.strip():
                continue
            name, colon, value = line.partition(":")
            name, value = name.strip(), value.strip()
            if not colon or not name:
                raise forms.ValidationError(f"Must be name: value; got {line.strip()!r}.")
            headers[name] = value
        try:
            check(headers)
        except ForbiddenHeader as error:
            raise forms.ValidationError(str(error)) from None
        return headers

    def clean_description(self) -> str:
        """Return the description. Raises ValidationError."""
        text = str(self.cleaned_data["description"])
        try:
            check_text("description", text)
        except Invalid as error:
            raise forms.ValidationError(error.message) from None
        return text

    def clean_retry_plan(self) -> list[int] | None:
        """Return the waits in seconds; None if it is empty."""
        texts = [text.strip() for text in self.cleaned_data["retry_plan"].split(",") if text.strip()]
        if not all(text.isdecimal() for text in texts):
            raise forms.ValidationError("Must be whole seconds, separated by commas.")
        waits = [int(text) for text in texts]
        if len(waits) > MAX_WAITS or not all(1 <= wait <= MAX_WAIT for wait in waits):
            raise forms.ValidationError(f"Must be at most {MAX_WAITS} waits of 1 to {MAX_WAIT:,} seconds.")
        return waits or None

    def changes(self) -> Mapping[str, Any]:
        """Return the fields that were changed."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


def edit_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Show the settings of an endpoint; on POST change them. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    rows = Endpoint.objects.filter(deleted_at=None).select_related("tenant__plan", "http", "destination")
    endpoint = get_object_or_404(rows, pk=pk)
    form = EditForm(request.POST or None, endpoint)
    if request.method == "POST" and form.is_valid():
        changes = dict(form.changes())
        changed = run_for_form(form, lambda: _changed(endpoint, changes)) if changes else endpoint
        if changed is not None:
            if changes:
                model_admin.log_change(request, endpoint, f"changed {', '.join(changes)}")
            return redirect("admin:subscriptions_endpoint_change", endpoint.pk)
    return endpoint_page(
        model_admin, request, "endpoint_form", f"Edit {endpoint}", form=form, back="change", row=endpoint
    )


def _changed(endpoint: Endpoint, changes: Mapping[str, Any]) -> Endpoint:
    return change_endpoint(endpoint, dict(changes), by_operator=True)
