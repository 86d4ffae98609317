"""The REST doors of the management side: they fetch, call one verb, answer.

What is deleted is gone for everybody here; the deliveries keep its history. Pausing an endpoint is a PATCH of
its `state`; a rotation is a thing one creates, below what it rotates. An answer with a secret is not to be cached.
"""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ModelViewSet

from subscriptions import endpoints, keys, openapi, serializers, tenants
from subscriptions.auth import OperatorWrites, principal
from subscriptions.filters import EndpointFilter, SubscriptionFilter
from subscriptions.models import ApiKey, Endpoint, Secret, Subscription, Tenant
from subscriptions.signatures import key_set, signing_now
from subscriptions.tenancy import TenantScoped, find, tenant_of

NO_STORE = {"Cache-Control": "no-store"}


class Resource(TenantScoped, ModelViewSet[Any]):
    """Create, read, list, replace, change, delete: `make`, `change` and `perform_destroy` name the verbs."""

    lookup_field = "ref"

    def make(self, fields: dict[str, Any]) -> Response:
        raise NotImplementedError

    def change(self, row: Any, fields: dict[str, Any]) -> Any:
        raise NotImplementedError

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        return self.make(given.validated_data)

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        row = self.get_object()
        given = self.get_serializer(row, data=request.data, partial=partial)
        given.is_valid(raise_exception=True)
        try:
            row = self.change(row, given.validated_data)
        except ObjectDoesNotExist:  # deleted since it was fetched
            raise NotFound from None
        return Response(self.get_serializer(row).data)

    def show(self, row: Any, **secret: str) -> Response:
        """The answer to a creation; what is shown once comes on top."""
        body = {**self.get_serializer(row).data, **secret}
        return Response(body, status.HTTP_201_CREATED, headers=NO_STORE if secret else None)


@openapi.tenants
class Tenants(Resource):
    """Operators keep tenants; a tenant sees itself."""

    queryset = Tenant.objects.filter(deleted_at=None)
    serializer_class = serializers.TenantSerializer
    permission_classes = (OperatorWrites,)
    tenant_path = "pk"

    def make(self, fields: dict[str, Any]) -> Response:
        return self.show(tenants.create_tenant(**fields))

    def change(self, row: Tenant, fields: dict[str, Any]) -> Tenant:
        return tenants.change_tenant(row, fields)

    def perform_destroy(self, instance: Tenant) -> None:
        tenants.delete_tenant(instance)


@openapi.keys
class Keys(Resource):
    """Keys are made, revoked and rotated, not changed. Nobody hands out a scope that he does not hold."""

    queryset = ApiKey.objects.select_related("tenant").filter(tenant__deleted_at=None)
    serializer_class = serializers.KeySerializer
    http_method_names = ("get", "post", "delete", "head", "options")

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.tenant = tenant_of(request)
        return super().create(request, *args, **kwargs)

    def make(self, fields: dict[str, Any]) -> Response:
        may_hand_out(self.request, fields["scopes"])
        key, text = keys.new_key(self.tenant, **fields)
        return self.show(key, key=text)

    def perform_destroy(self, instance: ApiKey) -> None:
        keys.revoke(instance)


@openapi.key_rotations
class KeyRotations(TenantScoped):
    """A new key in the place of an old one, which opens for a while longer."""

    queryset = Keys.queryset
    serializer_class = serializers.KeyRotationSerializer

    def post(self, request: Request, ref: str) -> Response:
        old = self.get_object()
        may_hand_out(request, old.scopes)
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        key, text = keys.rotate(old, **given.validated_data)
        body = {**serializers.KeySerializer(key).data, "key": text}
        return Response(body, status.HTTP_201_CREATED, headers=NO_STORE)


def may_hand_out(request: Request, scopes: list[str]) -> None:
    """Raises PermissionDenied unless the key of the request holds all these scopes itself."""
    if not principal(request).scopes.issuperset(scopes):
        raise PermissionDenied("A key can hand out only scopes that it holds itself.")


@openapi.endpoints
class Endpoints(Resource):
    """Where a tenant's webhooks go."""

    queryset = Endpoint.objects.select_related("tenant").filter(deleted_at=None)
    serializer_class = serializers.EndpointSerializer
    filterset_class = EndpointFilter

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.tenant = tenant_of(request)
        given = serializers.NewEndpointSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        endpoint, text = endpoints.create_endpoint(self.tenant, **given.validated_data)
        return self.show(endpoint, **verified_with(text))

    def change(self, row: Endpoint, fields: dict[str, Any]) -> Endpoint:
        return endpoints.change_endpoint(row, fields, by_operator=principal(self.request).is_operator)

    def perform_destroy(self, instance: Endpoint) -> None:
        endpoints.delete_endpoint(instance)


class OfEndpoint(TenantScoped):
    """For what lies below one endpoint."""

    def endpoint(self) -> Endpoint:
        """The endpoint of the path, among those the request may see."""
        rows = Endpoint.objects.filter(deleted_at=None)
        found = find(self.within_tenant(rows, "tenant"), self.kwargs["ref"])
        if found is None:
            raise NotFound
        return found


@openapi.secrets
class Secrets(OfEndpoint, ListAPIView[Secret]):
    """What the deliveries of one endpoint are signed with: creating a secret is the rotation."""

    queryset = Secret.objects.all()
    serializer_class = serializers.EndpointSecretSerializer
    filter_backends = ()

    def get_queryset(self) -> QuerySet[Secret]:
        """Those that sign now."""
        if getattr(self, "swagger_fake_view", False):
            return Secret.objects.none()
        return signing_now(self.endpoint())

    def post(self, request: Request, ref: str) -> Response:
        endpoint = self.endpoint()
        given = serializers.RotationSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        text = endpoints.rotate_secret(endpoint, **given.validated_data)
        return Response(verified_with(text), status.HTTP_201_CREATED, headers=NO_STORE)


@openapi.public_keys
class PublicKeys(OfEndpoint):
    """What to verify the deliveries of one endpoint with, if they are signed with key pairs (v1a)."""

    def get(self, request: Request, ref: str) -> Response:
        return Response({"keys": key_set(signing_now(self.endpoint()))})


def verified_with(text: str) -> dict[str, str]:
    """What a receiver verifies with, under the name of what it is."""
    return {"public_key" if text.startswith("whpk_") else "secret": text}


@openapi.subscriptions
class Subscriptions(Resource):
    """Which events an endpoint wants."""

    queryset = Subscription.objects.select_related("tenant", "endpoint").filter(endpoint__deleted_at=None)
    serializer_class = serializers.SubscriptionSerializer
    filterset_class = SubscriptionFilter

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.tenant = tenant_of(request)
        return super().create(request, *args, **kwargs)

    def make(self, fields: dict[str, Any]) -> Response:
        return self.show(Subscription.objects.create(tenant=self.tenant, **fields))

    def change(self, row: Subscription, fields: dict[str, Any]) -> Subscription:
        Subscription.objects.filter(pk=row.pk).update(**fields, updated_at=timezone.now())
        return self.queryset.get(pk=row.pk)
