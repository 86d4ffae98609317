"""Show the page on which operators add and revoke the secrets of a source.

Adding and revoking need a permission each and are written to the admin's log. The text of a generated secret is shown
once, in the response that creates it; the text of a secret that the operator entered is not shown. A secret that the
sender gave in its handshake is shown, because some senders want it to be entered at their side.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from webhooks.admin.source_form import secret_input
from webhooks.kit.encryption import decrypt
from webhooks.models import Source
from webhooks.sources.configuration import InvalidConfiguration
from webhooks.sources.secret_rotation import (
    DEFAULT_OVERLAP,
    MAX_OVERLAP,
    MAX_SECRET_LENGTH,
    TooManySecrets,
    revoke_secret,
    rotate_secret,
)

MAY_ADD = "webhooks.add_sourcesecret"  # permission
MAY_REVOKE = "webhooks.delete_sourcesecret"  # permission


class RotationForm(forms.Form):
    """Read a new secret, and how long the old ones stay valid."""

    secret = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_SECRET_LENGTH,
        widget=secret_input(),
        help_text="Secret issued by the sender. With Standard Webhooks, leave empty to generate one; it is shown once.",
    )
    name = forms.CharField(
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"class": "wp-input", "autocomplete": "off"}),
        help_text="What it is for, such as live or test. Only the old secrets of this name expire.",
    )
    overlap_seconds = forms.IntegerField(
        min_value=0,
        max_value=MAX_OVERLAP,
        initial=DEFAULT_OVERLAP,
        label="Overlap (seconds)",
        widget=forms.NumberInput(attrs={"class": "wp-input", "autocomplete": "off"}),
        help_text=f"Old secrets of this name stay valid for this many seconds, at most {MAX_OVERLAP}.",
    )


def secrets_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """List the secrets of a source; on POST add or revoke one. Raises PermissionDenied."""
    if not any(map(request.user.has_perm, (MAY_ADD, MAY_REVOKE))):
        raise PermissionDenied
    source = get_object_or_404(Source, pk=pk, deleted_at=None)
    if request.method == "POST" and "revoke" in request.POST:
        return _revoke(model_admin, request, source)
    form = RotationForm(request.POST or None)
    generated = ""
    if request.method == "POST" and form.is_valid():
        generated = _add(model_admin, request, source, form)
    return _render(model_admin, request, source, form if form.errors else RotationForm(), generated)


def _add(model_admin: Any, request: HttpRequest, source: Source, form: RotationForm) -> str:
    """Add a secret; errors are added to the form. Returns the text of a generated secret, else ""."""
    if not request.user.has_perm(MAY_ADD):
        raise PermissionDenied
    entered, overlap = form.cleaned_data["secret"], form.cleaned_data["overlap_seconds"]
    try:
        secret, text = rotate_secret(source, entered, name=form.cleaned_data["name"], overlap=overlap)
    except (InvalidConfiguration, TooManySecrets) as error:
        form.add_error("secret", str(error))
        return ""
    model_admin.log_change(request, source, f"added {secret.public_id}; older ones expire in {overlap} s")
    messages.success(request, f"{secret.public_id} added")
    return "" if entered else text


def _revoke(model_admin: Any, request: HttpRequest, source: Source) -> HttpResponse:
    if not request.user.has_perm(MAY_REVOKE):
        raise PermissionDenied
    public_id = request.POST["revoke"]
    secret = next((secret for secret in source.secrets.all() if secret.public_id == public_id), None)
    if secret is not None:
        revoke_secret(secret)
        model_admin.log_change(request, source, f"revoked {public_id}")
        messages.success(request, f"{public_id} revoked")
    return redirect("admin:webhooks_source_secrets", source.pk)


def _render(model_admin: Any, request: HttpRequest, source: Source, form: RotationForm, generated: str) -> HttpResponse:
    now = timezone.now()
    rows = [
        {
            "id": secret.public_id,
            "secret": secret,
            "is_active": secret.is_active_at(now),
            "received": decrypt(secret.ciphertext) if secret.is_received else "",
        }
        for secret in source.secrets.order_by("-id")
    ]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Secrets of {source}",
        "opts": Source._meta,
        "media": model_admin.media,
        "source": source,
        "original": source,
        "form": form,
        "secrets": rows,
        "secret": generated,
        "may_add": request.user.has_perm(MAY_ADD),
        "may_revoke": request.user.has_perm(MAY_REVOKE),
    }
    return TemplateResponse(request, "webhooks/admin/secrets.html", context)
