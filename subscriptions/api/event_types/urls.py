"""Route event types, below /api/v1/, and the catalogue at the root."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from subscriptions.api.event_types import catalogue, documents, event_types

router = SimpleRouter(use_regex_path=False)
router.register("event-types", event_types.EventTypes, "event-type")

urlpatterns = [
    # Before event-types/<ref>/: a type of one of these names goes by its id.
    path("event-types/import/", documents.EventTypeImport.as_view(), name="event-type-import"),
    path("event-types/openapi/", documents.OpenApiExport.as_view(), name="event-type-openapi"),
    path("event-types/asyncapi/", documents.AsyncApiExport.as_view(), name="event-type-asyncapi"),
    *router.urls,
    path("event-types/<str:ref>/versions/", event_types.EventTypeVersions.as_view(), name="event-type-versions"),
]

catalogue_urlpatterns = [
    path("catalogue/", catalogue.index, name="catalogue"),
    path("catalogue/openapi.json", catalogue.openapi, name="catalogue-openapi"),
    path("catalogue/asyncapi.json", catalogue.asyncapi, name="catalogue-asyncapi"),
    path("catalogue/<path:name>/<int:version>.json", catalogue.schema, name="catalogue-schema"),
    path("catalogue/<path:name>/", catalogue.show, name="catalogue-type"),
]
