"""Serve erasures by subject: preview, create, show the progress, cancel."""

from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.serializers.erasures import (
    ErasureCountSerializer,
    ErasureCreateSerializer,
    ErasureSelectionSerializer,
    ErasureSerializer,
)
from delivery.lifecycle import erasures
from delivery.models import Erasure
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.models import Scope
from webhooks.kit.rest.jobs import cancel_job
from webhooks.kit.rest.query_params import ChoiceFilter, QueryParams, TextFilter
from webhooks.kit.rest.resources import ReadOnlyResource


class ErasureFilters(QueryParams):
    """Filter erasures."""

    state = ChoiceFilter(Erasure.State.choices, unindexed=True, help_text="State of the erasure.")
    subject_hash = TextFilter(
        where=lambda text: Q(subject_hash=text), unindexed=True, max_length=64, help_text="Hash of the subject, exact."
    )


class ErasureView(TenantScoped[Erasure]):
    """A view over the erasures of the request's tenant."""

    queryset = Erasure.objects.all()
    serializer_class = ErasureSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Erasure]:
        return Erasure.objects.all() if tenant_id is None else Erasure.objects.filter(tenant=tenant_id)


class Erasures(ErasureView, ReadOnlyResource[Erasure]):
    """Erasures, newest first."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "list": ("List erasures", "Returns erasures, newest first, with their progress."),
        "create": (
            "Erase by subject",
            "Erases the data of all events with this `subject` that exist now: bodies, originals, responses and "
            "reasons of their deliveries and dead letters, and the receipts that they were published from. Unfinished "
            "deliveries are cancelled. Then the archive is searched, and each object that contains such events is "
            "written anew without their data. Runs in the background; read its progress with *Get an erasure*. While "
            "the storage of the archive is away it stays `running`, and `last_error` says why. What was delivered "
            "cannot be recalled.",
        ),
        "retrieve": (
            "Get an erasure",
            "Returns one erasure with its progress. When it has ended, only the keyed hash of the subject is left.",
        ),
    }
    required_permissions = {"POST": "delivery.erase_event"}

    query_params = ErasureFilters

    @extend_schema(request=ErasureCreateSerializer, responses={201: ErasureSerializer})
    def create(self, request: Request) -> Response:
        tenant, fields = tenant_of(request), self.body(ErasureCreateSerializer)
        created = erasures.start(tenant, fields["subject"], rate=fields["rate"], by=principal(request).label)
        return Response(ErasureSerializer(created).data, status=status.HTTP_201_CREATED)


class ErasurePreview(ErasureView):
    """Count what an erasure would erase."""

    is_audited = False
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": ("Preview an erasure", "Counts what there is about a subject, without erasing anything."),
    }

    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_erasure", request=ErasureSelectionSerializer, responses={200: ErasureCountSerializer}
    )
    def post(self, request: Request) -> Response:
        tenant, fields = tenant_of(request), self.body(ErasureSelectionSerializer)
        return Response(erasures.preview(tenant, fields["subject"])._asdict())


class ErasureCancel(ErasureView):
    """Cancel an erasure; what is erased stays erased."""

    operations = {
        "post": (
            "Cancel an erasure",
            "Stops an erasure; what it has erased stays erased. Idempotent; 409 if it has finished.",
        ),
    }

    reads_body = False
    required_permissions = {"POST": "delivery.erase_event"}

    @extend_schema(operation_id="cancel_erasure", request=None, responses={200: ErasureSerializer})
    def post(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(cancel_job(self.get_object(), erasures.cancel)).data)
