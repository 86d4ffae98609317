"""Route request inspectors: the resource, below /api/v1/, and at the root the address and the page of each."""

from django.urls import path, re_path
from rest_framework.routers import SimpleRouter

from subscriptions.api.inspectors import inspectors, page, receiving

router = SimpleRouter(use_regex_path=False)
router.register("inspectors", inspectors.Inspectors, "inspector")

urlpatterns = [
    *router.urls,
    path("inspectors/<str:ref>/requests/", inspectors.InspectorRequests.as_view(), name="inspector-requests"),
]

# With or without the last slash: a redirected POST loses its body.
inspector_urlpatterns = [
    re_path("^inspect/(?P<token>[A-Za-z0-9_-]{43})/?$", receiving.receive, name="inspect"),
    path("inspectors/<str:page_token>/", page.page, name="inspector-page"),
    path("inspectors/<str:page_token>/newer/", page.newer, name="inspector-newer"),
]
