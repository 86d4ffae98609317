"""Change one dead letter: replay, discard or acknowledge it."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.dead_letters.dead_letters import DeadLetters
from delivery.api.serializers.dead_letters import DeadLetterNoteSerializer, DeadLetterSerializer
from delivery.models import DeadLetter
from delivery.reading import queries
from delivery.replaying import closing
from delivery.replaying.resend import resend
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped
from webhooks.kit.audit.operation import report
from webhooks.kit.rest.errors import Conflict


class DeadLetterChange(TenantScoped[DeadLetter]):
    """Change one dead letter."""

    queryset = DeadLetters.queryset
    serializer_class = DeadLetterSerializer
    endpoint_path = "endpoint_id"
    required_permissions = {"POST": "delivery.change_deadletter"}

    def rows(self, tenant_id: UUID | None) -> QuerySet[DeadLetter]:
        return queries.dead_letters(tenant_id)

    def changed(self, row: DeadLetter) -> Response:
        """Return the dead letter as it is now."""
        return Response(DeadLetterSerializer(queries.dead_letters(None).get(pk=row.pk)).data)


class DeadLetterReplay(DeadLetterChange):
    """Replay one dead letter."""

    operations = {
        "post": (
            "Replay a dead letter",
            "Sends the delivery of a dead letter again, with the same `webhook-id`. The retry plan starts anew; rate "
            "limit and circuit breaker still apply. 409 if it is closed, its payload was erased, or its endpoint is "
            "disabled.",
        ),
    }
    reads_body = False
    required_permissions = {"POST": "delivery.add_replay"}

    @extend_schema(request=None, responses={200: DeadLetterSerializer}, operation_id="replay_dead_letter")
    def post(self, request: Request, ref: str) -> Response:
        letter = self.get_object()
        if letter.closed_at is not None:
            raise Conflict({"state": [f"Already {letter.state}."]})
        resend(letter.delivery, principal(request).label)
        return self.changed(letter)


class DeadLetterDiscard(DeadLetterChange):
    """Discard one dead letter."""

    operations = {
        "post": (
            "Discard a dead letter",
            "Closes a dead letter without sending anything again; it cannot be replayed any more. The delivery stays "
            "dead. Idempotent; 409 if it was replayed. To discard many, create a job.",
        ),
    }

    @extend_schema(
        request=DeadLetterNoteSerializer, responses={200: DeadLetterSerializer}, operation_id="discard_dead_letter"
    )
    def post(self, request: Request, ref: str) -> Response:
        letter, note = self.get_object(), self.body(DeadLetterNoteSerializer)["note"]
        if not closing.discard([letter.pk], principal(request).label, note):
            letter.refresh_from_db(fields=["closed_at", "is_discarded"])
            if letter.state == DeadLetter.State.REPLAYED:
                raise Conflict({"state": ["Already replayed; cancel the delivery instead."]})
            report(f"{letter.state} already", 0, 1)
        return self.changed(letter)


class DeadLetterAcknowledge(DeadLetterChange):
    """Acknowledge one dead letter."""

    operations = {
        "post": (
            "Acknowledge a dead letter",
            "Takes a dead letter out of the number of open ones, on the dashboard and in alert rules. It can still be "
            "replayed or discarded. Idempotent; 409 if it is closed. To acknowledge many, create a job.",
        ),
    }

    @extend_schema(
        request=DeadLetterNoteSerializer, responses={200: DeadLetterSerializer}, operation_id="acknowledge_dead_letter"
    )
    def post(self, request: Request, ref: str) -> Response:
        letter, note = self.get_object(), self.body(DeadLetterNoteSerializer)["note"]
        if not closing.acknowledge([letter.pk], principal(request).label, note):
            letter.refresh_from_db(fields=["closed_at", "is_discarded"])
            if letter.closed_at is not None:
                raise Conflict({"state": [f"Already {letter.state}."]})
            report(f"{letter.state} already", 0, 1)
        return self.changed(letter)
