"""Add and revoke the secrets of a source.

Each needs a permission of its own and is logged. A generated secret is shown once, in the response; a given one is not.
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
from webhooks.models import Source
from webhooks.sources.configuration import InvalidConfiguration
from webhooks.sources.secret_rotation import DAY, MAX_OVERLAP, MAX_SECRET_LENGTH, TooManySecrets, revoke, rotate

MAY_ADD, MAY_REVOKE = "webhooks.add_sourcesecret", "webhooks.delete_sourcesecret"


class RotationForm(forms.Form):
    """Ask for a new secret and how long the old ones stay valid."""

    secret = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_SECRET_LENGTH,
        widget=secret_input(),
        help_text="Secret issued by the sender. Empty, with Standard Webhooks: one is generated and shown once.",
    )
    overlap_seconds = forms.IntegerField(
        min_value=0,
        max_value=MAX_OVERLAP,
        initial=DAY,
        label="Overlap (seconds)",
        widget=forms.NumberInput(attrs={"class": "wp-input", "autocomplete": "off"}),
        help_text="Overlap: old secrets stay valid this long.",
    )


def secrets_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """List the secrets; on POST add or revoke one. Raises PermissionDenied."""
    if not any(map(request.user.has_perm, (MAY_ADD, MAY_REVOKE))):
        raise PermissionDenied
    source = get_object_or_404(Source, pk=pk, deleted_at=None)
    if request.method == "POST" and "revoke" in request.POST:
        return _revoke(model_admin, request, source)
    form = RotationForm(request.POST or None)
    generated = ""
    if request.method == "POST" and form.is_valid():
        generated = _add(model_admin, request, source, form)
    return _page(model_admin, request, source, form if form.errors else RotationForm(), generated)


def _add(model_admin: Any, request: HttpRequest, source: Source, form: RotationForm) -> str:
    """Return the new secret if it was generated; errors are added to the form."""
    if not request.user.has_perm(MAY_ADD):
        raise PermissionDenied
    given, overlap = form.cleaned_data["secret"], form.cleaned_data["overlap_seconds"]
    try:
        secret, text = rotate(source, given, overlap=overlap)
    except (InvalidConfiguration, TooManySecrets) as error:
        form.add_error("secret", str(error))
        return ""
    model_admin.log_change(request, source, f"added {secret.public_id}; older ones expire in {overlap} s")
    messages.success(request, f"{secret.public_id} added")
    return "" if given else text


def _revoke(model_admin: Any, request: HttpRequest, source: Source) -> HttpResponse:
    if not request.user.has_perm(MAY_REVOKE):
        raise PermissionDenied
    wanted = request.POST["revoke"]
    secret = next((secret for secret in source.secrets.all() if secret.public_id == wanted), None)
    if secret is not None:
        revoke(secret)
        model_admin.log_change(request, source, f"revoked {wanted}")
        messages.success(request, f"{wanted} revoked")
    return redirect("admin:webhooks_source_secrets", source.pk)


def _page(model_admin: Any, request: HttpRequest, source: Source, form: RotationForm, generated: str) -> HttpResponse:
    now = timezone.now()
    rows = [
        {"id": secret.public_id, "secret": secret, "is_active": secret.is_active_at(now)}
        for secret in source.secrets.order_by("-id")
    ]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": f"Secrets of {source}",
        "opts": Source._meta,
        "media": model_admin.media,
        "source": source,
        "form": form,
        "secrets": rows,
        "secret": generated,
        "may_add": request.user.has_perm(MAY_ADD),
        "may_revoke": request.user.has_perm(MAY_REVOKE),
    }
    return TemplateResponse(request, "webhooks/admin/secrets.html", context)
