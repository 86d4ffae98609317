"""Serve sources with their secrets, receipts with their replays, and rejections, each limited to the key's tenant."""

from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import GenericViewSet, ModelViewSet, ReadOnlyModelViewSet

from webhooks.api.filters import ReceiptFilter, RejectionFilter
from webhooks.api.serializers import (
    ReceiptReplayPreviewSerializer,
    ReceiptReplayResultSerializer,
    ReceiptReplaySerializer,
    ReceiptSerializer,
    RejectionSerializer,
    SecretCreateSerializer,
    SecretWithValueSerializer,
    SourceSecretSerializer,
    SourceSerializer,
    SourceStatsQuerySerializer,
    SourceStatsSerializer,
    SourceWithSecretSerializer,
    TestMessageCreateSerializer,
    TestMessageSerializer,
)
from webhooks.api.tenancy import tenant_id_of
from webhooks.kit.conditional_requests import Preconditioned
from webhooks.models import Receipt, Rejection, Source, SourceSecret
from webhooks.processing.replay import count_replayable, replay
from webhooks.receiving.body_preview import download_body
from webhooks.receiving.test_message import NoActiveSecret, send_test_message
from webhooks.sources import source_stats
from webhooks.sources.configuration import InvalidConfiguration
from webhooks.sources.secret_rotation import TooManySecrets, active_secrets, revoke, rotate
from webhooks.sources.snapshot import by_id_or_uid, clear_snapshots
from webhooks.wire.errors import SenderKeyRequired, SignatureError
from webhooks.wire.ids import parse

M = TypeVar("M", bound=Model)


class TenantViewSet(GenericViewSet[M]):
    """Rows that belong to a tenant through ``tenant_path``, found by their TypeID."""

    tenant_path: ClassVar[str] = "source__tenant_id"
    lookup_value_regex = "[A-Za-z0-9._-]{1,256}"

    def get_queryset(self) -> QuerySet[M]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        tenant_id = tenant_id_of(self.request)
        return rows if tenant_id is None else rows.filter(**{self.tenant_path: tenant_id})

    def get_object(self) -> M:
        return get_by_id(self.get_queryset(), self.kwargs["pk"])


class SourceViewSet(Preconditioned[Source], TenantViewSet[Source], ModelViewSet[Source]):
    """The configurations of senders. A deleted source responds 410; its receipts stay for their retention."""

    tenant_path = "tenant_id"
    queryset = Source.objects.filter(deleted_at=None)
    serializer_class = SourceSerializer
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]

    def get_object(self) -> Source:
        source = self.get_queryset().filter(by_id_or_uid(self.kwargs["pk"])).first()
        if source is None:
            raise NotFound
        return source

    @extend_schema(responses={201: SourceWithSecretSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create a source; only this response shows the secret."""
        tenant_id = tenant_id_of(request)
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        secret = serializer.validated_data.get("secret")
        serializer.save(tenant_id=tenant_id)
        shown = serializer.data if secret is None else {**serializer.data, "secret": secret}
        return Response(shown, status=status.HTTP_201_CREATED)

    def perform_destroy(self, instance: Source) -> None:
        instance.deleted_at = timezone.now()
        instance.save(update_fields=["deleted_at", "updated_at"])
        clear_snapshots()

    @extend_schema(methods=["GET"], responses=SourceSecretSerializer(many=True))
    @extend_schema(methods=["POST"], request=SecretCreateSerializer, responses={201: SecretWithValueSerializer})
    @action(detail=True, methods=["get", "post"], pagination_class=None, filter_backends=[])
    def secrets(self, request: Request, pk: str) -> Response:
        """List the active secrets (GET), or add one and let the others expire (POST)."""
        source = self.get_object()
        if request.method == "GET":
            return Response(SourceSecretSerializer(active_secrets(source).order_by("-id"), many=True).data)
        query = SecretCreateSerializer(data=request.data)
        query.is_valid(raise_exception=True)
        try:
            secret, text = rotate(
                source, query.validated_data.get("secret"), overlap=query.validated_data["overlap_seconds"]
            )
        except (InvalidConfiguration, TooManySecrets) as error:
            raise ValidationError({getattr(error, "field", "secret"): str(error)}) from error
        return Response({**SourceSecretSerializer(secret).data, "secret": text}, status=status.HTTP_201_CREATED)

    @extend_schema(request=TestMessageCreateSerializer, responses=TestMessageSerializer)
    @action(detail=True, methods=["post"], filter_backends=[])
    def test(self, request: Request, pk: str) -> Response:
        """Send a sample, signed as the sender signs it; it is stored and handled. 400 if only the sender can sign."""
        source = self.get_object()
        query = TestMessageCreateSerializer(data=request.data)
        query.is_valid(raise_exception=True)
        url = reverse("inbound", args=[source.public_id], request=request)
        try:
            result = send_test_message(source, url, **query.validated_data)
        except NoActiveSecret as error:
            raise ValidationError({"secret": str(error)}) from error
        except (SenderKeyRequired, SignatureError) as error:
            raise ValidationError({"scheme": str(error)}) from error
        return Response(TestMessageSerializer(result).data)

    @extend_schema(responses={204: None})
    @action(detail=True, methods=["delete"], url_path="secrets/(?P<secret>[A-Za-z0-9_]+)")
    def secret(self, request: Request, pk: str, secret: str) -> Response:
        """Revoke a secret at once."""
        revoke(get_by_id(SourceSecret.objects.filter(source=self.get_object()), secret))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="get_source_stats", parameters=[SourceStatsQuerySerializer], responses=SourceStatsSerializer
    )
    @action(detail=True, pagination_class=None, filter_backends=[])
    def stats(self, request: Request, pk: str) -> Response:
        """Return counts by hour, and pending and dead receipts now."""
        source = self.get_object()
        query = SourceStatsQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        hours = source_stats.hourly_counts(source, query.validated_data["hours"])
        figures = {"now": source_stats.current_counts(source), "totals": source_stats.totals(hours), "hours": hours}
        return Response(SourceStatsSerializer(figures).data)


class ReceiptViewSet(TenantViewSet[Receipt], ReadOnlyModelViewSet[Receipt]):
    """Stored messages, newest first."""

    queryset = Receipt.objects.defer("body")
    serializer_class = ReceiptSerializer
    filterset_class = ReceiptFilter

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, filter_backends=[])
    def body(self, request: Request, pk: str) -> FileResponse:
        """Download the body, byte for byte. Browsers do not display it."""
        try:
            return download_body(self.get_object())
        except OSError as error:
            raise StorageUnavailable from error

    @extend_schema(request=None, responses={202: ReceiptReplayResultSerializer})
    @action(detail=True, methods=["post"], filter_backends=[])
    def replays(self, request: Request, pk: str) -> Response:
        """Replay one receipt if it is processed or dead."""
        done = replay(Receipt.objects.filter(id=self.get_object().id))
        return Response(ReceiptReplayResultSerializer(done).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        operation_id="replay_receipts",
        request=ReceiptReplaySerializer,
        responses={200: ReceiptReplayPreviewSerializer, 202: ReceiptReplayResultSerializer},
    )
    @action(detail=False, methods=["post"], url_path="replays", filter_backends=[])
    def replay_many(self, request: Request) -> Response:
        """Replay the oldest receipts that match a filter (default state: dead), at most 10,000 per call.

        ``remaining`` is the number left for the next call. With ``preview`` they are only counted.
        """
        query = ReceiptReplaySerializer(data=request.data)
        query.is_valid(raise_exception=True)
        chosen = ReceiptFilter({"state": "dead", **query.validated_data["filter"]}, self.get_queryset())
        if not chosen.is_valid():
            raise ValidationError({"filter": chosen.errors})
        if query.validated_data["preview"]:
            return Response(ReceiptReplayPreviewSerializer({"total": count_replayable(chosen.qs)}).data)
        return Response(ReceiptReplayResultSerializer(replay(chosen.qs)).data, status=status.HTTP_202_ACCEPTED)


class StorageUnavailable(APIException):
    """503: the storage of large bodies is unavailable."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The storage of large bodies is unavailable; retry later."
    default_code = "unavailable"


class RejectionViewSet(TenantViewSet[Rejection], ReadOnlyModelViewSet[Rejection]):
    """Refused requests, newest first: a sample (see ``suppressed_count``)."""

    queryset = Rejection.objects.all()
    serializer_class = RejectionSerializer
    filterset_class = RejectionFilter


def get_by_id(rows: QuerySet[M], text: str) -> M:
    """Return the row with this TypeID. Raises NotFound."""
    try:
        return rows.get(pk=parse(rows.model.prefix, text))  # type: ignore[attr-defined]
    except (ValueError, rows.model.DoesNotExist) as error:  # type: ignore[attr-defined]
        raise NotFound from error
