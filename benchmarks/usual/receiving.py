"""Receive as most applications do: a REST framework view, `standardwebhooks`, get_or_create.

Run as `granian --interface wsgi benchmarks.usual.receiving:application`.
"""

import os

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()  # loads the models

from django.urls import path  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from standardwebhooks import Webhook, WebhookVerificationError  # noqa: E402

from benchmarks.usual.models import Received  # noqa: E402

SECRET = os.environ["USUAL_SECRET"]


class Inbound(APIView):
    """Receive a message."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    def post(self, request: Request) -> Response:
        """Verify and keep a message; respond 200 to a repeat."""
        try:
            event = Webhook(SECRET).verify(request.body, dict(request.headers))
        except WebhookVerificationError:
            return Response(status=401)
        defaults = {"type": event.get("type", ""), "body": request.body}
        _, is_new = Received.objects.get_or_create(message_id=request.headers["webhook-id"], defaults=defaults)
        return Response(status=202 if is_new else 200)


urlpatterns = [path("in/usual/", Inbound.as_view())]
