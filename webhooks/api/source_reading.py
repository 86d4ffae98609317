"""Serve how sources are read: test settings, list partitions, seek."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.api.serializers.source_reading import (
    SourcePartitionSerializer,
    SourcePartitionsSerializer,
    SourceSeekSerializer,
    SourceSettingsTestSerializer,
    tested,
)
from webhooks.api.serializers.source_settings import setting_errors
from webhooks.api.serializers.sources import SourceSerializer
from webhooks.api.tenancy import BelowSource, TenantScoped, sources_of
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import ListView
from webhooks.models import Source, SourcePartition
from webhooks.readers.other_systems import test_settings
from webhooks.readers.partitions import seek
from webhooks.sources.connections import connection_of
from webhooks.sources.kinds.registry import HTTP, find_kind

IS_NOT_READ = "Must be a kind that is read; sources/{ref}/test/ sends a source of the kind http a test message."


class SourceSettingsTest(BelowSource):
    """A test of settings that need not be stored."""

    is_audited = False
    operations = {
        "post": (
            "Test the settings of a source",
            "Connects to the other system with the settings and credentials of a source that need not exist, and says "
            "what was found, with the latest record. Nothing is stored and nothing changed there. 400 with the field "
            "at fault, within seconds, if it does not work.",
        ),
    }

    serializer_class = SourceSerializer

    @extend_schema(
        operation_id="test_source_settings", request=SourceSerializer, responses={200: SourceSettingsTestSerializer}
    )
    def post(self, request: Request) -> Response:
        context = {**self.get_serializer_context(), "tenant_id": self.tenant_id(), "always_test": True}
        serializer = SourceSerializer(data=request.data, context=context)
        serializer.is_valid(raise_exception=True)
        if serializer.sample is None:
            raise ValidationError({"kind": IS_NOT_READ})
        return Response(tested(serializer.sample))


class StoredSettingsTest(BelowSource):
    """A test of the settings that a source has."""

    is_audited = False
    operations = {
        "post": (
            "Test the stored settings of a source",
            "Connects to the other system as the source does, and says what was found, with the latest record, which "
            "stays unread. 400 with the field at fault if it does not work.",
        ),
    }
    reads_body = False
    required_permissions = {"POST": "webhooks.change_source"}

    serializer_class = SourceSettingsTestSerializer

    @extend_schema(
        operation_id="test_stored_source_settings", request=None, responses={200: SourceSettingsTestSerializer}
    )
    def post(self, request: Request, ref: str) -> Response:
        source = self.get_object()
        if source.kind == HTTP:
            raise ValidationError({"kind": IS_NOT_READ})
        with setting_errors():
            return Response(tested(test_settings(find_kind(source.kind), connection_of(source))))


@extend_schema_view(get=extend_schema(operation_id="list_source_partitions"))
class SourcePartitions(TenantScoped[SourcePartition], ListView[SourcePartition]):
    """The partitions of one source."""

    operations = {
        "get": (
            "List a source's partitions",
            "Returns where reading a source goes on, how far it is behind, and its latest error: one row for each "
            "partition of the other system, or one for all of it. Empty for a source that senders post to.",
        ),
    }

    queryset = SourcePartition.objects.all()
    serializer_class = SourcePartitionSerializer

    def rows(self, tenant_id: object) -> QuerySet[SourcePartition]:
        source = require(sources_of(self.tenant_id()), self.kwargs["ref"], of_all_tenants=self.tenant_id() is None)
        rows = SourcePartition.objects.filter(source=source)
        is_partitioned = source.kind != HTTP and find_kind(source.kind).is_partitioned
        return rows.exclude(name="", failing_since=None) if is_partitioned else rows


class SourceSeek(BelowSource):
    """Where reading one source goes on."""

    operations = {
        "post": (
            "Seek in a source",
            "Moves where reading goes on, of one partition or of all. Records that are read again are duplicates as "
            "long as their receipts are kept.",
        ),
    }
    required_permissions = {"POST": "webhooks.change_source"}

    serializer_class = SourceSeekSerializer

    @extend_schema(
        operation_id="seek_source", request=SourceSeekSerializer, responses={200: SourcePartitionsSerializer}
    )
    def post(self, request: Request, ref: str) -> Response:
        source, fields = self.get_object(), self.body()
        self._check(source)
        try:
            with setting_errors():
                rows = seek(source, fields["to"], partition=fields.get("partition"))
        except SourcePartition.DoesNotExist:
            raise ValidationError({"partition": "No partition with this name."}) from None
        return Response(SourcePartitionsSerializer({"data": rows}).data)

    def _check(self, source: Source) -> None:
        """Refuse a source that cannot seek. Raises ValidationError."""
        if source.kind == HTTP or not find_kind(source.kind).can_seek:
            raise ValidationError({"to": f"Sources of the kind {source.kind} cannot seek."})
