"""The REST doors of the management side: they fetch, call one verb, answer.

What is deleted is gone for everybody here; the deliveries keep its history. Pausing an endpoint is a PATCH of
its `state`; a rotation is a thing one creates, below what it rotates. An answer with a secret is not to be cached.
"""

from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api import openapi, serializers
from subscriptions.api.authentication import OperatorWrites, principal
from subscriptions.api.filters import EndpointFilter, SubscriptionFilter
from subscriptions.api.resources import NO_STORE, Resource
from subscriptions.api.tenancy import TenantScoped, find, tenant_id_of, tenant_of
from subscriptions.endpoints import endpoints
from subscriptions.endpoints.signing_secrets import active_secrets, public_jwks, rotate_secret
from subscriptions.models import ApiKey, Endpoint, Plan, SigningSecret, Subscription, Tenant
from subscriptions.tenants import keys, plans, tenants


@openapi.tenants
class Tenants(Resource):
    """Operators keep tenants; a tenant sees itself."""

    queryset = Tenant.objects.select_related("plan").filter(deleted_at=None)
    serializer_class = serializers.TenantSerializer
    permission_classes = (OperatorWrites,)
    tenant_path = "pk"

    def make(self, fields: dict[str, Any]) -> Response:
        return self.show(tenants.create_tenant(**fields))

    def change(self, row: Tenant, fields: dict[str, Any]) -> Tenant:
        return tenants.change_tenant(row, fields)

    def perform_destroy(self, instance: Tenant) -> None:
        tenants.delete_tenant(instance)


@openapi.plans
class Plans(Resource):
    """What tenants may use. A tenant sees the plan it has."""

    queryset = Plan.objects.all()
    serializer_class = serializers.PlanSerializer
    permission_classes = (OperatorWrites,)

    def within_tenant(self, rows: Any, path: str) -> Any:
        """That of the request's tenant: its own, or the default."""
        if tenant_id_of(self.request) is None:
            return rows
        return rows.filter(pk=plans.plan_of(tenant_of(self.request)).pk)

    def make(self, fields: dict[str, Any]) -> Response:
        return self.show(plans.create_plan(**fields))

    def change(self, row: Plan, fields: dict[str, Any]) -> Plan:
        return plans.change_plan(row, fields)

    def perform_destroy(self, instance: Plan) -> None:
        plans.delete_plan(instance)


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
        key, text = keys.create_key(self.tenant, **fields)
        return self.show(key, key=text)

    def perform_destroy(self, instance: ApiKey) -> None:
        keys.revoke_key(instance)


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
        key, text = keys.rotate_key(old, **given.validated_data)
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
        given = serializers.EndpointCreateSerializer(data=request.data, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        endpoint, text = endpoints.create_endpoint(self.tenant, **given.validated_data)
        return self.show(endpoint, **verified_with(text))

    def write(self, row: Endpoint, fields: dict[str, Any]) -> Endpoint:
        """Its verb looks an address up before it opens a transaction, and holds the row inside."""
        by_operator = principal(self.request).is_operator
        return endpoints.change_endpoint(row, fields, by_operator=by_operator, precondition=partial(self.hold, row))

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
class Secrets(OfEndpoint, ListAPIView[SigningSecret]):
    """What the deliveries of one endpoint are signed with: creating a secret is the rotation."""

    queryset = SigningSecret.objects.all()
    serializer_class = serializers.SigningSecretSerializer
    filter_backends = ()

    def get_queryset(self) -> QuerySet[SigningSecret]:
        """Those that sign now."""
        if getattr(self, "swagger_fake_view", False):
            return SigningSecret.objects.none()
        return active_secrets(self.endpoint())

    def post(self, request: Request, ref: str) -> Response:
        endpoint = self.endpoint()
        given = serializers.SecretRotationSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        text = rotate_secret(endpoint, **given.validated_data)
        return Response(verified_with(text), status.HTTP_201_CREATED, headers=NO_STORE)


@openapi.public_keys
class PublicKeys(OfEndpoint):
    """What to verify the deliveries of one endpoint with, if they are signed with key pairs (v1a)."""

    def get(self, request: Request, ref: str) -> Response:
        return Response({"keys": public_jwks(active_secrets(self.endpoint()))})


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
