"""Show one attempt of a delivery: the request as it was sent, a curl command that repeats it, and the response."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from delivery.admin.display import payload
from delivery.models import Delivery
from delivery.reading import queries
from delivery.reading.requests.sent_request import sent_request
from delivery.reading.timeline import explanation_of, response_headers, response_text
from webhooks.audit.looks import HIDDEN, may_see_payload
from webhooks.kit.admin.lists import AdminList

MAX_CURL = 64 * 1024  # characters of a command that is shown; a longer one is in the REST API only


class AttemptPage:
    """Show one attempt to those who may view deliveries."""

    def __init__(self, model_admin: AdminList) -> None:
        self.model_admin = model_admin

    def view(self, request: HttpRequest, pk: UUID, number: int) -> HttpResponse:
        """Show the attempt with this number. Raises Http404."""
        delivery = self.model_admin.get_object(request, str(pk))
        if delivery is None or not self.model_admin.has_view_permission(request, delivery):
            raise Http404
        attempt = queries.attempt(delivery, str(number))
        if attempt is None:
            raise Http404
        sent = sent_request(delivery, attempt)
        text, is_cut = response_text(attempt.response)
        sees = may_see_payload(request, delivery)
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": f"Attempt {attempt.number}",
            "opts": Delivery._meta,
            "media": self.model_admin.media,
            "back": reverse("admin:delivery_delivery_change", args=[pk]),
            "attempt": attempt,
            "explanation": explanation_of(attempt.error, attempt.status),
            "sent": sent,
            "changed": ", ".join(it.replace("_", " ") for it in sent.changed) if sent else "",
            "shows_values": sees,
            "hidden": HIDDEN,
            "body": payload(sent.body) if sees and sent and sent.body is not None else "",
            "curl": sent.curl if sees and sent and sent.curl and len(sent.curl) <= MAX_CURL else "",
            "response": (text + "…" if is_cut else text) if sees else "",
            "response_headers": response_headers(attempt) if sees else [],
            **self._neighbours(delivery, attempt.number),
        }
        return TemplateResponse(request, "delivery/admin/attempt.html", context)

    def _neighbours(self, delivery: Delivery, number: int) -> dict[str, Any]:
        """Return the pages of the attempts before and after; empty where there is none."""
        found = {}
        for name, other in (("earlier", number - 1), ("later", number + 1)):
            exists = delivery.history.filter(number=other).exists()
            found[name] = reverse("admin:delivery_delivery_attempt", args=[delivery.pk, other]) if exists else ""
        return found
