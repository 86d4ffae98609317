"""Send a test event to an endpoint from the admin, and show request, response and timing."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse

from delivery.admin.display import payload
from delivery.lifecycle.retry_endpoint import retry_after_successful_test
from delivery.reading.timeline import explanation_of, response_text
from delivery.single_attempts.test_delivery import TestDelivery, send_test
from delivery.single_attempts.test_event import TEST_TYPE
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from webhooks.outgoing.errors import LimitReached
from webhooks.wire.errors import InvalidEvent

MAY_TEST = "subscriptions.change_endpoint"  # permission: a success may enable the endpoint


class TestForm(forms.Form):
    """Ask what to send."""

    type = forms.CharField(
        initial=TEST_TYPE,
        max_length=256,
        label="Event type",
        help_text="A subscription of this type transforms the event as it does others.",
        widget=forms.TextInput(attrs={"class": "wp-input"}),
    )
    content = forms.JSONField(
        required=False,
        initial=dict,
        label="Data (JSON)",
        widget=forms.Textarea(attrs={"class": "wp-input", "rows": 6, "spellcheck": "false"}),
    )


class TestPage:
    """Ask on GET, send on POST."""

    def __init__(self, model_admin: Any) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show the form; on POST send the event and show what came back."""
        if not request.user.has_perm(MAY_TEST):
            raise PermissionDenied
        rows = Endpoint.objects.filter(deleted_at=None).select_related("tenant__plan", "http", "destination")
        endpoint = get_object_or_404(rows, pk=pk)
        form = TestForm(request.POST or None)
        sent = self._send(request, endpoint, form) if request.method == "POST" and form.is_valid() else None
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": f"Test {endpoint}",
            "opts": Endpoint._meta,
            "media": self.model_admin.media,
            "endpoint": endpoint,
            "original": endpoint,
            "form": form,
            "back": reverse("admin:subscriptions_endpoint_change", args=[pk]),
            **(_shown(sent) if sent else {}),
        }
        return TemplateResponse(
            request, "delivery/admin/endpoint_test.html", context, headers={"Cache-Control": "no-store"}
        )

    def _send(self, request: HttpRequest, endpoint: Endpoint, form: TestForm) -> TestDelivery | None:
        """Send the event; None if it cannot be sent, and the form has the reason."""
        fields = form.cleaned_data
        try:
            test = send_test(endpoint, type=fields["type"], data=fields["content"] or {})
        except (Invalid, InvalidEvent, LimitReached) as error:
            form.add_error(None, str(error))
            return None
        if test.delivered:
            retry_after_successful_test(endpoint)
        word = "delivered" if test.delivered else "failed"
        self.model_admin.log_change(request, endpoint, f"test {word}")
        if test.re_enabled:
            messages.success(request, f"{endpoint}: enabled, since the test was delivered")
        return test


def _shown(test: TestDelivery) -> dict[str, Any]:
    text, is_cut = response_text(test.outcome.response)
    error = "" if test.delivered else str(test.outcome.failure)
    return {
        "test": test,
        "explanation": "" if test.delivered else explanation_of(error, test.outcome.status),
        "body": payload(test.body),
        "response": text + "…" if is_cut else text,
    }
