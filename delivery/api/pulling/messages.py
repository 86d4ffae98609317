"""Serve what is handed out of a pulled endpoint, as JSON or as Server-Sent Events.

In the platform ``native_pull`` responds to these requests, without a thread while it waits. This view serves other
projects, and describes the operation.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.pulling.event_stream import EVENT_STREAM, LAST_EVENT_ID, as_events
from delivery.api.pulling.pull_params import PullParams, check_is_pulled, start_of
from delivery.models import Delivery
from delivery.pulling.message import BASE64, UTF8
from delivery.pulling.pull import Pulled, pull
from delivery.pulling.waiting import FALLBACK, waiters
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint, Scope
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.resources import NO_STORE
from webhooks.kit.suspend import wait_for

ENCODINGS = [(UTF8, "The body is text"), (BASE64, "The body is bytes in base64")]


class MessageSerializer(serializers.Serializer[Any]):
    """A message: the body and the headers that an endpoint would be sent over HTTP."""

    id = IdField(Delivery.prefix, help_text="Id of the delivery, by which the message is acknowledged.")
    attempt = serializers.IntegerField(help_text="Number of this attempt, from 1.")
    acknowledge_within = serializers.IntegerField(
        help_text="Seconds from now to acknowledge it; then the attempt has failed, and it is handed out again."
    )
    order_key = serializers.CharField(
        allow_null=True, help_text="Messages with the same key are handed out one after the other; null: in any order."
    )
    headers = serializers.DictField(
        child=serializers.CharField(),
        help_text="`webhook-id` (the same in each attempt), `webhook-timestamp`, `webhook-signature`, `content-type`.",
    )
    body = serializers.CharField(help_text="The signed bytes: the CloudEvent as JSON, or what the subscription made.")
    encoding = serializers.ChoiceField(ENCODINGS, help_text="How `body` is to be read before it is verified.")


class MessagesSerializer(serializers.Serializer[Any]):
    """The messages that a consumer is handed out."""

    messages = MessageSerializer(many=True, help_text="The messages, oldest first; empty if there were none in time.")
    cursor = serializers.CharField(
        help_text="Position behind these messages: the `after` of the next request of this consumer."
    )
    endpoint_state = serializers.ChoiceField(
        Endpoint.State.choices, help_text="State of the endpoint; nothing is handed out unless it is active."
    )


class EventStreamRenderer(BaseRenderer):
    """Render messages as Server-Sent Events."""

    media_type = EVENT_STREAM
    format = "events"
    charset = None

    def render(self, data: Any, *args: Any, **options: Any) -> Any:
        """Return the events; a problem stays JSON."""
        if isinstance(data, Pulled):
            return as_events(data) or b": no messages\n\n"
        return JSONRenderer().render(data)


class MessagesRenderer(JSONRenderer):
    """Render messages as JSON."""

    def render(self, data: Any, *args: Any, **options: Any) -> Any:
        return super().render(shown(data) if isinstance(data, Pulled) else data, *args, **options)


def shown(pulled: Pulled) -> dict[str, Any]:
    """Return what a consumer is handed out, as JSON has it."""
    return {
        "messages": [it.shown() for it in pulled.messages],
        "cursor": str(pulled.cursor),
        "endpoint_state": pulled.state,
    }


class Messages(TenantScoped[Endpoint]):
    """The messages of one pulled endpoint."""

    operations = {
        "get": (
            "Pull messages",
            "Hands out messages of an endpoint of the type `poll`, oldest first. Each has to be acknowledged within "
            "the endpoint's visibility timeout; else it is handed out again, by the retry plan. With `wait` the "
            "response comes when there is a message, or empty when the time is over. With `Accept: text/event-stream` "
            "it does not end: each message is an event whose data is the message as JSON, and whose id is the cursor; "
            "after an interruption `Last-Event-ID` continues. Messages that were handed out behind `after` and did not "
            "arrive are handed out again at once. 409 for an endpoint of another type.",
        ),
    }
    http_method_names = ("get", "options")  # HEAD would take messages
    required_scopes = {"GET": Scope.CONSUME}
    required_permissions = {"GET": "delivery.change_delivery"}
    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    query_params = PullParams
    serializer_class: type[serializers.Serializer[Any]] = MessagesSerializer
    renderer_classes = (MessagesRenderer, EventStreamRenderer)

    @extend_schema(
        operation_id="pull_messages",
        parameters=[
            OpenApiParameter(
                LAST_EVENT_ID,
                str,
                OpenApiParameter.HEADER,
                description="Of Server-Sent Events: the id of the last event that arrived, in place of `after`.",
            )
        ],
        responses={(200, "application/json"): MessagesSerializer, (200, EVENT_STREAM): OpenApiTypes.STR},
    )
    def get(self, request: Request, ref: str) -> Response:
        params = self.params()
        endpoint = self.get_object()
        check_is_pulled(endpoint)
        after = start_of(params, request.headers.get(LAST_EVENT_ID))
        pulled = pull(endpoint.pk, params["limit"], after)
        if not pulled.messages and params["wait"]:
            seconds = min(params["wait"], FALLBACK if pulled.wait is None else pulled.wait)
            wait_for(lambda: waiters().wait(endpoint.pk, seconds))
            pulled = pull(endpoint.pk, params["limit"], pulled.cursor, is_resumed=False)
        return Response(pulled, headers=NO_STORE)
