"""Serialize receipts."""

from typing import Any

from rest_framework import serializers

from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField
from webhooks.models import Receipt, Source, SourceSecret
from webhooks.processing.receipts import OUTCOMES, Attempt
from webhooks.processing.steps.run import ORDER, STEP_OUTCOMES


class ReceiptSerializer(serializers.ModelSerializer[Receipt]):
    """A message that was received and stored, with the progress of its handlers."""

    id = IdField(Receipt.prefix)
    source = IdField(  # type: ignore[assignment]
        Source.prefix, source="source_id", help_text="Id of the source that received it."
    )
    secret = IdField(
        SourceSecret.prefix,
        source="secret_id",
        allow_null=True,
        help_text="Id of the secret that verified the message; null: the scheme has none.",
    )
    secret_name = serializers.CharField(
        help_text="Name of that secret, such as `live`; empty: it has none, or was revoked."
    )
    state = serializers.CharField(
        help_text="`pending`: handlers are still to run; `processed`: they succeeded; `dead`: given up."
    )
    handled_by = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Names of the handlers that ran; null: none yet."
    )

    unhandled = serializers.BooleanField(
        source="is_unhandled",
        help_text="Whether it was processed and matched no handler, although its source has handlers.",
    )
    serializer_choice_field = ChoiceField

    class Meta:
        model = Receipt
        fields = [
            *("id", "source", "state", "message_id", "event_type", "order_key", "content_type", "headers"),
            *("secret", "secret_name"),
            *(
                "size",
                "sha256",
                "received_at",
                "due_at",
                "attempts",
                "last_error",
                "processed_at",
                "handled_by",
                "unhandled",
            ),
            *("dead_at", "cause", "out_of_order", "skipped"),
        ]
        read_only_fields = fields
        extra_kwargs = {"cause": {"help_text": "Why it was given up; null in any other state."}}


class ReceiptStepSerializer(serializers.Serializer[Any]):
    """The result of a step of a handler for a receipt."""

    step = ChoiceField([(it, it) for it in ORDER], help_text="The step.")
    outcome = ChoiceField(
        STEP_OUTCOMES,
        help_text="How it ended. `interrupted`: the calls of the enrichment failed too often, so none is made for a "
        "while.",
    )
    detail = serializers.CharField(help_text="In words; may be empty.")


class ReceiptAttemptSerializer(serializers.Serializer[Attempt]):
    """One run of the handlers of a receipt."""

    number = serializers.IntegerField(
        help_text="Number of the run, from 1; a run that asked for another time (`retry_later`) uses none. A replay "
        "starts again from 1."
    )
    ended_at = serializers.DateTimeField(help_text="When it ended.")
    outcome = serializers.ChoiceField(
        choices=OUTCOMES,
        help_text="How it ended: `failed` runs are repeated by the retry plan, `dead` is the last one. `retry_later`: "
        "a handler asked for another time. `skipped`: the message was out of order.",
    )
    error = serializers.CharField(help_text="Handler and error; empty if none failed.")
    traceback = serializers.CharField(help_text="End of the traceback, up to 8,000 characters; empty without.")
    steps = ReceiptStepSerializer(
        many=True, help_text="What each step did, if a handler of the source has steps; else empty."
    )


class ReceiptAttemptsSerializer(serializers.Serializer[Any]):
    """The latest runs of the handlers of a receipt."""

    data = ReceiptAttemptSerializer(  # type: ignore[assignment]  # the stubs have a property of this name
        many=True, help_text="Up to 20 runs, newest first."
    )
