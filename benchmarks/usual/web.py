"""Publish and receive as most applications do: REST framework views, rows by the ORM, a task for each delivery.

Run as `granian --interface wsgi benchmarks.usual.web:application`.
"""

import json
import os
from functools import partial
from typing import Any

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()  # loads the models

from django.db import transaction  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from standardwebhooks import Webhook, WebhookVerificationError  # noqa: E402

from benchmarks.usual.models import Delivery, Endpoint, Event, Received  # noqa: E402
from benchmarks.usual.tasks import queue  # noqa: E402

SECRET = os.environ["USUAL_SECRET"]


class Publish(APIView):
    """Publish events."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []

    def post(self, request: Request) -> Response:
        """Write the events with a delivery for each endpoint, then queue the tasks."""
        published: Any = request.data
        endpoints: dict[str, list[Any]] = {}
        for one in published:
            if one["type"] not in endpoints:
                endpoints[one["type"]] = list(Endpoint.objects.filter(types__contains=[one["type"]]))
        with transaction.atomic():
            texts = [(one["type"], json.dumps(one, separators=(",", ":")).encode()) for one in published]
            events = Event.objects.bulk_create([Event(type=type_, body=body) for type_, body in texts])
            deliveries = Delivery.objects.bulk_create(
                [Delivery(event=event, endpoint=each) for event in events for each in endpoints[event.type]]
            )
            transaction.on_commit(partial(queue, [delivery.pk for delivery in deliveries]))
        return Response({"ids": [event.pk for event in events]}, status=202)


class Receive(APIView):
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


def ready(_request: HttpRequest) -> HttpResponse:
    """Respond that the web server is ready."""
    return HttpResponse()


urlpatterns = [path("ready/", ready), path("events/", Publish.as_view()), path("in/usual/", Receive.as_view())]
