"""What is behind the link of a thin delivery: the bytes of the event's data, for whoever has the link.

Anybody's bytes, served from our address: so they are an attachment, of the type they were declared, in a sandbox.
"""

import time
from base64 import b64encode
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from delivery.publishing.references import Expired, Unknown, fetch

__all__ = ["EventData"]


class Gone(APIException):
    """410: there was something here."""

    status_code = 410
    default_detail = "This link has expired."
    default_code = "gone"


class EventData(APIView):
    """The data of one event, by a link that a thin delivery carried. The link is the key."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """There is one form of it, whatever is accepted."""
        return JSONRenderer(), "application/json"

    @extend_schema(operation_id="get_event_data", auth=[], responses={(200, "*/*"): OpenApiTypes.BINARY})
    def get(self, request: Request, event: str, endpoint: str, until: str, signature: str) -> HttpResponse:
        """Its bytes. 404 for a link that is none of ours, 410 for one that has expired."""
        try:
            data = fetch(event, endpoint, until, signature, now=time.time())
        except Unknown:
            raise NotFound from None
        except Expired:
            raise Gone from None
        digest = f"sha-256=:{b64encode(data.sha256).decode()}:"
        headers = {
            "Repr-Digest": digest,  # RFC 9530
            "Content-Disposition": "attachment",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
        }
        return HttpResponse(data.body, content_type=data.content_type, headers=headers)
