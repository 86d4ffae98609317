"""Serialize erasures and their previews."""

from rest_framework import serializers

from delivery.lifecycle.erasures import DEFAULT_RATE, MAX_RATE, MAX_SUBJECT
from delivery.models import Erasure
from subscriptions.models import Tenant
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import IntegerField, TextField
from webhooks.kit.rest.selection import SelectionCountSerializer
from webhooks.kit.rest.serializers import StrictSerializer


class ErasureSerializer(serializers.ModelSerializer[Erasure]):
    """A request to erase what there is about a subject, with its progress.

    First `erased` of `total` events in the tables, then `archives_searched` of `archives` objects of the archive.
    """

    id = IdField(Erasure.prefix)
    tenant = IdField(Tenant.prefix, source="tenant_id", help_text="Id of the tenant whose events are erased.")

    class Meta:
        model = Erasure
        fields = [
            "id",
            "tenant",
            "state",
            "subject",
            "subject_hash",
            "rate",
            "total",
            "erased",
            "deliveries",
            "cancelled",
            "receipts",
            "archives",
            "archives_searched",
            "archives_rewritten",
            "archives_missing",
            "erased_in_archive",
            "last_error",
            "requested_by",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class ErasureSelectionSerializer(StrictSerializer):
    """The subject about which events are erased."""

    subject = TextField(
        max_length=MAX_SUBJECT,
        help_text="`subject` of the events, exact, as it was published. Found also where a mask has hashed it.",
    )


class ErasureCreateSerializer(ErasureSelectionSerializer):
    """A subject, and how fast it is erased."""

    rate = IntegerField(min_value=1, max_value=MAX_RATE, default=DEFAULT_RATE, help_text="Events per second, at most.")


class ErasureCountSerializer(SelectionCountSerializer):
    """The number of events that an erasure would erase now."""

    deliveries = serializers.IntegerField(help_text="Deliveries of these events.")
    unfinished = serializers.IntegerField(help_text="Those of the deliveries that would be cancelled.")
    archives = serializers.IntegerField(
        help_text="Objects of the archive that would be searched. Events in them are not counted in `total`."
    )
