"""List the URLs of the REST API, for /api/v1/, and of the senders, for the root."""

from rest_framework.routers import SimpleRouter

from webhooks.api.views import ReceiptViewSet, RejectionViewSet, SourceViewSet
from webhooks.inbound_urls import urlpatterns as inbound_urlpatterns

__all__ = ["api_urlpatterns", "inbound_urlpatterns"]

_router = SimpleRouter()
_router.register("sources", SourceViewSet, basename="source")
_router.register("receipts", ReceiptViewSet, basename="receipt")
_router.register("rejections", RejectionViewSet, basename="rejection")

api_urlpatterns = _router.urls
