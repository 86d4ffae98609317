"""The page that sends a source a test message and shows what came of it; only for who may change sources.

GET shows what there is to say and asks; POST sends, once, and who did it is written down.
"""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from webhooks.models import Source
from webhooks.receiving.test_message import EVENT_TYPE, NoActiveSecret, SentTestMessage, send_test_message
from webhooks.wire.errors import SenderKeyRequired, SignatureError

PERMISSION = "webhooks.change_source"
LONGEST_BODY = 64 * 1024  # characters


class TrialForm(forms.Form):
    event_type = forms.CharField(
        max_length=256,
        initial=EVENT_TYPE,
        validators=[RegexValidator(r"\A[!-~]+\Z", "Printable ASCII without spaces.")],
        widget=forms.TextInput(attrs={"class": "wh-input", "autocomplete": "off", "spellcheck": "false"}),
    )
    body = forms.CharField(
        max_length=LONGEST_BODY,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"class": "wh-input", "rows": 6, "spellcheck": "false"}),
        help_text="Leave it empty for a sample.",
    )


def try_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Ask, or send and show. Raises PermissionDenied."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    source = get_object_or_404(Source, pk=pk, deleted_at=None)
    form = TrialForm(request.POST if request.method == "POST" else None)
    trial, problem = None, ""
    if request.method == "POST" and form.is_valid():
        trial, problem = _tried(request, source, form.cleaned_data)
        if trial is not None:
            model_admin.log_change(request, source, f"sent it a test, answered {trial.status}")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Send yourself a test",
        "opts": Source._meta,
        "media": model_admin.media,
        "source": source,
        "form": form,
        "trial": trial,
        "problem": problem,
    }
    return TemplateResponse(request, "webhooks/admin/trial.html", context)


def _tried(request: HttpRequest, source: Source, given: dict[str, str]) -> tuple[SentTestMessage | None, str]:
    """What came of it, or why it could not be."""
    url = request.build_absolute_uri(reverse("inbound", args=[source.public_id]))
    try:
        return send_test_message(source, url, **given), ""
    except (SenderKeyRequired, NoActiveSecret, SignatureError) as error:
        return None, str(error)
