"""Serve the index of the archive: which hours are archived, under which key, with which digest."""

from django.db.models import Q
from rest_framework import serializers

from delivery.archiving.hours import full_hour
from delivery.models import Archive
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Tenant
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.query_params import InstantFilter, QueryParams
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.wire.ids import first_id_at


class ArchiveSerializer(serializers.ModelSerializer[Archive]):
    """An object in storage that holds the events of one hour, with their deliveries, which retention has deleted."""

    id = IdField(Archive.prefix)
    tenant = IdField(Tenant.prefix, source="tenant_id", help_text="Id of the tenant.")
    types = serializers.DictField(
        child=serializers.IntegerField(help_text="Events of this type."), help_text="Number of events by type."
    )

    class Meta:
        model = Archive
        fields = [
            "id",
            "tenant",
            "begins_at",
            "key",
            "events",
            "deliveries",
            "types",
            "bytes",
            "sha256",
            "created_at",
            "rewritten_at",
        ]
        read_only_fields = fields


class ArchiveFilters(QueryParams):
    """Filter by the hours in which events were published."""

    since = InstantFilter(
        where=lambda moment: Q(id__gte=first_id_at(full_hour(moment))),
        help_text="Start of the period, included: `2030-01-31T12:00:00Z`. Hours that overlap the period are listed.",
    )
    until = InstantFilter(where=lambda moment: Q(id__lt=first_id_at(moment)), help_text="End of the period, excluded.")


class Archives(TenantScoped[Archive], ReadOnlyResource[Archive]):
    """Archived hours, newest first."""

    queryset = Archive.objects.all()
    serializer_class = ArchiveSerializer
    query_params = ArchiveFilters
    operations = {
        "list": (
            "List archived hours",
            "Returns the objects that hold events which retention has deleted, newest hour first. "
            "An hour has several if it has many events, or if some of them were finished later. Empty where the "
            "platform has no archive. To send archived events again, create a replay with the scope `archived`.",
        ),
        "retrieve": (
            "Get an archived hour",
            "Returns one object: its key in the storage, its number of events, its size and its digest.",
        ),
    }
