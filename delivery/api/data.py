"""Serve the event data behind the link of a reference delivery; the link itself authorizes.

The bytes are a publisher's, served from our domain: they are sent as an attachment of their declared type, sandboxed.
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

from delivery.fan_out.references import LinkExpired, UnknownLink, fetch


class Gone(APIException):
    """Respond 410: the data is no longer kept."""

    status_code = 410
    default_detail = "This link has expired."
    default_code = "gone"


class EventData(APIView):
    """The data of one event, by the link in a reference delivery; no API key is needed."""

    operations = {
        "get": (
            "Get the data of a referenced event",
            "Returns the `data` of an event, byte for byte, to a client that has the signed link sent as "
            "`dataref`. Needs no API key; the link expires.",
        ),
    }

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Ignore Accept: the data has one representation."""
        return JSONRenderer(), "application/json"

    @extend_schema(
        operation_id="get_event_data", auth=[], responses={(200, "application/octet-stream"): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, event: str, endpoint: str, until: str, signature: str) -> HttpResponse:
        try:
            data = fetch(event, endpoint, until, signature, now=time.time())
        except UnknownLink:
            raise NotFound from None
        except LinkExpired:
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
