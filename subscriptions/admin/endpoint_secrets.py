"""Show the page on which operators rotate the signing secret of an endpoint and end older ones.

Both need a permission each and are written to the admin's log. The text of a new secret is shown once.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from subscriptions.admin.actions import show_once
from subscriptions.endpoints.signing_secrets import (
    DEFAULT_OVERLAP,
    MAX_OVERLAP,
    active_secrets,
    end_secret,
    rotate_secret,
)
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint

MAY_ROTATE = "subscriptions.add_signingsecret"  # permission
MAY_END = "subscriptions.delete_signingsecret"  # permission


class RotationForm(forms.Form):
    """Read how long older secrets go on signing beside the new one."""

    overlap_seconds = forms.IntegerField(
        min_value=0,
        max_value=MAX_OVERLAP,
        initial=DEFAULT_OVERLAP,
        label="Overlap (seconds)",
        widget=forms.NumberInput(attrs={"class": "wp-input", "autocomplete": "off"}),
        help_text=f"Older secrets sign for this many seconds more, at most {MAX_OVERLAP}; 0 ends them at once.",
    )


def secrets_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """List the secrets of an endpoint that sign now; on POST rotate or end one. Raises PermissionDenied."""
    if not any(map(request.user.has_perm, (MAY_ROTATE, MAY_END))):
        raise PermissionDenied
    endpoint = get_object_or_404(Endpoint, pk=pk, deleted_at=None)
    if request.method == "POST" and "end" in request.POST:
        return _end(model_admin, request, endpoint)
    form = RotationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        rotated = _rotate(model_admin, request, endpoint, form)
        if rotated is not None:
            return rotated
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Signing secrets of {endpoint}",
        "opts": Endpoint._meta,
        "media": model_admin.media,
        "endpoint": endpoint,
        "original": endpoint,
        "form": form if form.errors else RotationForm(),
        "secrets": active_secrets(endpoint),
        "may_rotate": request.user.has_perm(MAY_ROTATE),
        "may_end": request.user.has_perm(MAY_END),
    }
    return TemplateResponse(request, "subscriptions/admin/endpoint_secrets.html", context)


def _rotate(model_admin: Any, request: HttpRequest, endpoint: Endpoint, form: RotationForm) -> HttpResponse | None:
    """Rotate the secret and show the new one; None if it cannot be rotated, and the form has the reason."""
    if not request.user.has_perm(MAY_ROTATE):
        raise PermissionDenied
    overlap = form.cleaned_data["overlap_seconds"]
    try:
        secret, text = rotate_secret(endpoint, overlap)
    except Invalid as error:
        form.add_error("overlap_seconds", str(error))
        return None
    model_admin.log_change(request, endpoint, f"added {secret.public_id}; older ones expire in {overlap} s")
    return show_once(model_admin, request, "New signing secret", [(str(endpoint), text)])


def _end(model_admin: Any, request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    if not request.user.has_perm(MAY_END):
        raise PermissionDenied
    public_id = request.POST["end"]
    secret = next((secret for secret in endpoint.secrets.all() if secret.public_id == public_id), None)
    if secret is not None:
        try:
            end_secret(secret)
        except Invalid as error:
            messages.error(request, f"{public_id}: {error}")
        else:
            model_admin.log_change(request, endpoint, f"ended {public_id}")
            messages.success(request, f"{public_id} ended")
    return redirect("admin:subscriptions_endpoint_secrets", endpoint.pk)
