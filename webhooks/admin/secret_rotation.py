"""The page of a source's secrets: a new one beside the old, or one that is believed no more from now on.

Each is an act with a permission of its own, and who did it is written down. A secret that was made is shown in the
answer, this once; one that was given is not shown at all.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from webhooks.admin.source_fields import secret_input
from webhooks.models import Source
from webhooks.sources.configuration import InvalidConfiguration
from webhooks.sources.secret_rotation import DAY, MAX_OVERLAP, MAX_SECRET_LENGTH, TooManySecrets, revoke, rotate
from webhooks.wire.ids import public

MAY_ADD, MAY_REVOKE = "webhooks.add_sourcesecret", "webhooks.delete_sourcesecret"


class RotationForm(forms.Form):
    secret = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_SECRET_LENGTH,
        widget=secret_input(),
        help_text="As the sender shows it. Leave it empty with Standard Webhooks: one is made, and shown once.",
    )
    overlap_seconds = forms.IntegerField(
        min_value=0,
        max_value=MAX_OVERLAP,
        initial=DAY,
        widget=forms.NumberInput(attrs={"class": "wh-input", "autocomplete": "off"}),
        help_text="So long the ones there are stay believed beside it; then they are gone.",
    )


def secrets_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Show the secrets by their ids; rotate, or revoke one. Raises PermissionDenied."""
    if not any(map(request.user.has_perm, (MAY_ADD, MAY_REVOKE))):
        raise PermissionDenied
    source = get_object_or_404(Source, pk=pk, deleted_at=None)
    if request.method == "POST" and "revoke" in request.POST:
        return _revoked(model_admin, request, source)
    form = RotationForm(request.POST or None)
    made = ""
    if request.method == "POST" and form.is_valid():
        made = _rotated(model_admin, request, source, form)
    return _page(model_admin, request, source, form if form.errors else RotationForm(), made)


def _rotated(model_admin: Any, request: HttpRequest, source: Source, form: RotationForm) -> str:
    """The new secret if it was made here, else nothing; objections stand in the form."""
    if not request.user.has_perm(MAY_ADD):
        raise PermissionDenied
    given, overlap = form.cleaned_data["secret"], form.cleaned_data["overlap_seconds"]
    try:
        secret, text = rotate(source, given, overlap=overlap)
    except (InvalidConfiguration, TooManySecrets) as error:
        form.add_error("secret", str(error))
        return ""
    model_admin.log_change(request, source, f"added {secret.public_id}; older ones end in {overlap} s")
    messages.success(request, f"{secret.public_id} is believed from now on.")
    return "" if given else text


def _revoked(model_admin: Any, request: HttpRequest, source: Source) -> HttpResponse:
    if not request.user.has_perm(MAY_REVOKE):
        raise PermissionDenied
    wanted = request.POST["revoke"]
    secret = next((secret for secret in source.secrets.all() if secret.public_id == wanted), None)
    if secret is not None:
        revoke(secret)
        model_admin.log_change(request, source, f"revoked {wanted}")
        messages.success(request, f"{wanted} is believed no more.")
    return redirect("admin:webhooks_source_secrets", source.pk)


def _page(model_admin: Any, request: HttpRequest, source: Source, form: RotationForm, made: str) -> HttpResponse:
    now = timezone.now()
    rows = [
        {"id": public(secret.prefix, secret.id), "row": secret, "holds": secret.is_active_at(now)}
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
        "secret": made,
        "may_add": request.user.has_perm(MAY_ADD),
        "may_revoke": request.user.has_perm(MAY_REVOKE),
    }
    return TemplateResponse(request, "webhooks/admin/secrets.html", context)
