"""Route the provider's management, below /api/v1/. ``{ref}`` is an id or, where there is one, a uid."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from subscriptions.api import endpoint_secrets, endpoints, keys, plans, subscriptions, tenants
from subscriptions.api.bulk import deletion, endpoint_batch
from subscriptions.api.connectors import connectors
from subscriptions.api.destinations import endpoint_types
from subscriptions.api.event_types.urls import urlpatterns as event_type_urlpatterns
from subscriptions.api.inspectors.urls import urlpatterns as inspector_api_urlpatterns
from subscriptions.api.masking import masking_keys
from subscriptions.api.portal.urls import urlpatterns as portal_link_urlpatterns
from subscriptions.api.sharing import grants

router = SimpleRouter(use_regex_path=False)
router.register("tenants", tenants.Tenants, "tenant")
router.register("plans", plans.Plans, "plan")
router.register("keys", keys.Keys, "key")
router.register("endpoints", endpoints.Endpoints, "endpoint")
router.register("grants", grants.Grants, "grant")
router.register("subscriptions", subscriptions.Subscriptions, "subscription")

urlpatterns = [
    path("endpoints/batch/", endpoint_batch.EndpointBatch.as_view(), name="endpoint-batch"),  # before endpoints/<ref>/
    path("endpoints/delete/", deletion.EndpointsDelete.as_view(), name="endpoints-delete"),
    path("endpoints/delete/preview/", deletion.EndpointsDeletePreview.as_view(), name="endpoints-delete-preview"),
    path("subscriptions/delete/", deletion.SubscriptionsDelete.as_view(), name="subscriptions-delete"),
    path(
        "subscriptions/delete/preview/",
        deletion.SubscriptionsDeletePreview.as_view(),
        name="subscriptions-delete-preview",
    ),
    path("connectors/", connectors.Connectors.as_view(), name="connectors"),
    path("connectors/<str:ref>/", connectors.ConnectorDetail.as_view(), name="connector"),
    path(
        "connectors/<str:ref>/endpoints/",
        connectors.ConnectorEndpoints.as_view({"post": "create"}),
        name="connector-endpoints",
    ),
    path("endpoint-types/", endpoint_types.EndpointTypes.as_view(), name="endpoint-types"),
    *router.urls,
    *event_type_urlpatterns,
    *inspector_api_urlpatterns,
    *portal_link_urlpatterns,
    path("masking-keys/", masking_keys.MaskingKeys.as_view(), name="masking-keys"),
    path("endpoints/<str:ref>/masking-keys/", masking_keys.EndpointMaskingKeys.as_view(), name="endpoint-masking-keys"),
    path("keys/<str:ref>/rotate/", keys.KeyRotation.as_view(), name="key-rotation"),
    path("endpoints/<str:ref>/secrets/", endpoint_secrets.EndpointSecrets.as_view(), name="endpoint-secrets"),
    path(
        "endpoints/<str:ref>/secrets/<str:id>/",
        endpoint_secrets.EndpointSecretDetail.as_view(),
        name="endpoint-secret",
    ),
    path("endpoints/<str:ref>/keys/", endpoint_secrets.EndpointPublicKeys.as_view(), name="endpoint-keys"),
]
