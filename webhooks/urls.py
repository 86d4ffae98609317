"""Two lists of addresses: the API's, for /api/v1/, and the senders', for the root."""

from django.urls import re_path
from rest_framework.routers import SimpleRouter

from webhooks.inbound import inbound
from webhooks.views import ReceiptViewSet, RejectionViewSet, SourceViewSet

_router = SimpleRouter()
_router.register("sources", SourceViewSet, basename="source")
_router.register("receipts", ReceiptViewSet, basename="receipt")
_router.register("rejections", RejectionViewSet, basename="rejection")

api_urlpatterns = _router.urls

# With or without the last slash: a redirect would turn a POST into nothing.
_SOURCE = "^in/(?P<source>[A-Za-z0-9._-]{1,256})"
inbound_urlpatterns = [re_path(f"{_SOURCE}/$", inbound, name="inbound"), re_path(f"{_SOURCE}$", inbound)]
