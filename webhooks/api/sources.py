"""Serve sources: create, list, read, change, delete; their test messages and statistics."""

import re
from typing import Any

from django.conf import settings
from django.db.models import Q
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from webhooks.api.serializers.source_checks import configuration_errors
from webhooks.api.serializers.sources import SourceSerializer, SourceWithSecretSerializer
from webhooks.api.serializers.stats import SourceStatsQueryParams, SourceStatsSerializer
from webhooks.api.serializers.test_messages import TestMessageCreateSerializer, TestMessageSerializer
from webhooks.api.tenancy import BelowSource
from webhooks.kit.rest.list_filters import ConfiguredFilters, contains
from webhooks.kit.rest.query_params import ChoiceFilter, NameFilter, TextFilter
from webhooks.kit.rest.resources import Resource
from webhooks.kit.tenancy import UnknownTenant
from webhooks.models import Source
from webhooks.receiving.test_message import NoActiveSecret, send_test_message
from webhooks.senders.presets import sender_names
from webhooks.sources import source_stats
from webhooks.sources.configuration import scheme_names
from webhooks.sources.kinds.registry import HTTP, kind_names
from webhooks.sources.sources import change_source, create_source, delete_source
from webhooks.wire.errors import SenderKeyRequired, SignatureError
from webhooks.wire.ids import parse


def _with_url(part: str) -> Q:
    """Return the condition for sources by the id in their URL, or by the URL as the sender knows it.

    What all URLs have in common selects every source that has one.
    """
    if part in f"{settings.PUBLIC_URL.rstrip('/')}/in/{Source.prefix}_":
        return Q(kind=HTTP)
    ids = re.findall(rf"{Source.prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}", part)
    return Q(id__in=[parse(Source.prefix, each) for each in ids]) | Q(public_url__icontains=part)


def _with_state(state: str) -> Q:
    return Q(paused_at__isnull=state == Source.State.ACTIVE)


class SourceFilters(ConfiguredFilters):
    """Filter sources."""

    state = ChoiceFilter(Source.State.choices, where=_with_state, help_text="State of the source.")
    kind = NameFilter(kind_names, help_text="Kind of the source: `http`, or the other system that is read.")
    sender = NameFilter(sender_names, help_text="Name of the sender whose preset the source was created with.")
    scheme = NameFilter(scheme_names, help_text="Signature scheme.")
    url = TextFilter(where=_with_url, max_length=2048, help_text="Part of the URL that senders post to.")
    q = TextFilter(
        where=contains("uid", "name", "sender", "public_url"),
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the `uid`, name, sender or `public_url`, ignoring case.",
    )


@extend_schema_view(update=extend_schema(responses={200: SourceSerializer, 201: SourceWithSecretSerializer}))
class Sources(BelowSource, Resource[Source]):
    """The configurations of senders. A deleted source responds 410; its receipts stay for their retention."""

    operations = {
        "list": (
            "List sources",
            "Returns the tenant's sources, newest first. Filter by `uid`, URL, kind, state, sender, labels, text "
            "or time. A source is an address that receives webhooks of one sender, or another system that is read.",
        ),
        "create": (
            "Create a source",
            "Creates an address that receives webhooks: the sender's signature scheme and secret, what to "
            "extract from each message, and how to respond. The response has the address to give to the "
            "sender; a generated secret is shown here only. With a `kind` other than `http` it reads another system: a "
            "database, a broker, a queue. Its settings are tried, and refused with the field at fault if they do not "
            "work (400 within seconds).",
        ),
        "retrieve": ("Get a source", "Returns one source, by id or `uid`, without its secrets."),
        "update": (
            "Replace a source",
            "Sets every field of a source; a field that is left out gets its default, or the value of the sender's "
            "preset. A `uid` in the path that no source has creates the source (201). Secrets stay: rotate them.",
        ),
        "partial_update": (
            "Update a source",
            "Changes the fields that are given and keeps the others. Applies to the next message, within a second.",
        ),
        "destroy": (
            "Delete a source",
            "Deletes a source; its address responds 410 to signed messages from then on. Stored receipts stay "
            "for their retention.",
        ),
    }

    serializer_class = SourceSerializer
    query_params = SourceFilters
    creates_by_put = True

    def tagged(self, row: Source) -> Any:
        """Return the row as it is shown without what reading changes by itself."""
        return {**self.get_serializer(row).data, "reading": None}

    def get_serializer_context(self) -> dict[str, Any]:
        fake = getattr(self, "swagger_fake_view", False)
        return {**super().get_serializer_context(), "tenant_id": None if fake else self.tenant_id()}

    @extend_schema(responses={201: SourceWithSecretSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.tenant_id()  # raises NotFound for another tenant's name, whatever the body says
        return super().create(request, *args, **kwargs)

    def create_row(self, fields: dict[str, Any]) -> Response:
        try:
            with configuration_errors():
                source = create_source(tenant_id=self.tenant_id(), **fields)
        except UnknownTenant:  # an operator named one, or it was deleted meanwhile
            raise NotFound from None
        return self.created(source, **({"secret": fields["secret"]} if fields.get("secret") else {}))

    def change_row(self, row: Source, fields: dict[str, Any]) -> Source:
        with configuration_errors():
            return change_source(row, fields)

    def delete_row(self, row: Source) -> None:
        delete_source(row)


class SourceTest(BelowSource):
    """A test message to one source."""

    operations = {
        "post": (
            "Send a source a test message",
            "Sends the source a sample message, signed as its sender signs, and returns the response and the "
            "stored receipt or rejection.",
        ),
    }
    required_permissions = {"POST": "webhooks.change_source"}

    serializer_class = TestMessageCreateSerializer

    @extend_schema(operation_id="test_source", request=TestMessageCreateSerializer, responses=TestMessageSerializer)
    def post(self, request: Request, ref: str) -> Response:
        source = self.get_object()
        if source.kind != HTTP:
            raise ValidationError(
                {"kind": "Is read, so it gets no test message; POST settings/test/ tests its settings."}
            )
        fields = self.body()
        url = reverse("inbound", args=[source.public_id], request=request)
        try:
            sent = send_test_message(source, url, **fields)
        except NoActiveSecret as error:
            raise ValidationError({"secret": str(error)}) from error
        except (SenderKeyRequired, SignatureError) as error:
            raise ValidationError({"scheme": str(error)}) from error
        return Response(TestMessageSerializer(sent).data)


class SourceStats(BelowSource):
    """The statistics of one source."""

    operations = {
        "get": (
            "Get a source's statistics",
            "Returns counts by hour (received, duplicates, rejected, throttled, processed, handler failures), "
            "and how many receipts are pending and dead now.",
        ),
    }

    serializer_class = SourceStatsSerializer
    query_params = SourceStatsQueryParams

    @extend_schema(operation_id="get_source_stats", responses=SourceStatsSerializer)
    def get(self, request: Request, ref: str) -> Response:
        source = self.get_object()
        hours = source_stats.hourly_counts(source, self.params()["hours"])
        figures = {"now": source_stats.current_counts(source), "total": source_stats.totals(hours), "data": hours}
        return Response(SourceStatsSerializer(figures).data)
