"""Show the page on which operators change the masks of an endpoint, and whether it receives events unmasked."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from subscriptions.admin.endpoint_form import MAY_CHANGE, endpoint_page, run_for_form
from subscriptions.endpoints.endpoints import change_endpoint
from subscriptions.models import Endpoint
from webhooks.wire.masking.masks import ACTIONS


class MasksForm(forms.Form):
    """Read the masks of an endpoint."""

    masks = forms.JSONField(
        required=False,
        label="Masks",
        help_text=f'[{{"path": "$.data.customer.email", "action": "mask"}}]; actions: {", ".join(ACTIONS)}.',
    )
    unmasked = forms.BooleanField(
        required=False,
        label="Receives events unmasked",
        help_text="The masks of event types do not apply to it. Its deliveries are stored encrypted.",
    )


def masks_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Show the masks of an endpoint; on POST change them. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    endpoint = get_object_or_404(Endpoint.objects.filter(deleted_at=None), pk=pk)
    initial = {"masks": endpoint.masks, "unmasked": endpoint.unmasked}
    form = MasksForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        fields = {"masks": form.cleaned_data["masks"] or [], "unmasked": form.cleaned_data["unmasked"]}
        changed = run_for_form(form, lambda: change_endpoint(endpoint, fields, by_operator=True))
        if changed is not None:
            cleared = "unmasked" if changed.unmasked else "masked"
            model_admin.log_change(request, endpoint, f"masks changed: {len(changed.masks)}, events {cleared}")
            return redirect("admin:subscriptions_endpoint_change", endpoint.pk)
    return endpoint_page(
        model_admin, request, "endpoint_form", f"Masks of {endpoint}", form=form, back="change", row=endpoint
    )
