"""Send a test message to a source and show the response; needs the permission to change sources, and is logged."""

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
MAX_BODY = 64 * 1024  # characters


class TestMessageForm(forms.Form):
    """Ask for the event type and the body of a test message."""

    __test__ = False  # not a test class

    event_type = forms.CharField(
        max_length=256,
        initial=EVENT_TYPE,
        validators=[RegexValidator(r"\A[!-~]+\Z", "Must be printable ASCII without spaces.")],
        widget=forms.TextInput(attrs={"class": "wp-input", "autocomplete": "off", "spellcheck": "false"}),
    )
    body = forms.CharField(
        max_length=MAX_BODY,
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"class": "wp-input", "rows": 6, "spellcheck": "false"}),
        help_text="Empty: a sample body.",
    )


def test_message_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Show the form; on POST send the message and show its response. Raises PermissionDenied."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    source = get_object_or_404(Source, pk=pk, deleted_at=None)
    form = TestMessageForm(request.POST if request.method == "POST" else None)
    sent, problem = None, ""
    if request.method == "POST" and form.is_valid():
        sent, problem = _send(request, source, form.cleaned_data)
        if sent is not None:
            model_admin.log_change(request, source, f"sent a test message, response {sent.status}")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Send test message",
        "opts": Source._meta,
        "media": model_admin.media,
        "source": source,
        "original": source,
        "form": form,
        "sent": sent,
        "problem": problem,
    }
    return TemplateResponse(request, "webhooks/admin/test_message.html", context)


def _send(request: HttpRequest, source: Source, fields: dict[str, str]) -> tuple[SentTestMessage | None, str]:
    """Return the sent message, or the reason why it could not be sent."""
    url = request.build_absolute_uri(reverse("inbound", args=[source.public_id]))
    try:
        return send_test_message(source, url, **fields), ""
    except (SenderKeyRequired, NoActiveSecret, SignatureError) as error:
        return None, str(error)
