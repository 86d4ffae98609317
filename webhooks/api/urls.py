"""Route the receiver's REST resources, below /api/v1/, and the URLs that senders send to, at the root."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from webhooks.api import receipts, rejections, senders, source_secrets, sources
from webhooks.inbound_urls import urlpatterns as inbound_urlpatterns

__all__ = ["api_urlpatterns", "inbound_urlpatterns"]

router = SimpleRouter(use_regex_path=False)
router.register("sources", sources.Sources, "source")
router.register("receipts", receipts.Receipts, "receipt")
router.register("rejections", rejections.Rejections, "rejection")

api_urlpatterns = [
    path("receipts/replay/", receipts.ReceiptsReplay.as_view(), name="receipts-replay"),
    path("receipts/replay/preview/", receipts.ReceiptsReplayPreview.as_view(), name="receipts-replay-preview"),
    *router.urls,
    path("receipts/<str:ref>/attempts/", receipts.ReceiptAttempts.as_view(), name="receipt-attempts"),
    path("receipts/<str:ref>/body/", receipts.ReceiptBody.as_view(), name="receipt-body"),
    path("receipts/<str:ref>/replay/", receipts.ReceiptReplay.as_view(), name="receipt-replay"),
    path("receipts/<str:ref>/retry/", receipts.ReceiptRetry.as_view(), name="receipt-retry"),
    path("senders/", senders.Senders.as_view(), name="senders"),
    path("sources/<str:ref>/secrets/", source_secrets.SourceSecrets.as_view(), name="source-secrets"),
    path("sources/<str:ref>/secrets/<str:id>/", source_secrets.SourceSecretDetail.as_view(), name="source-secret"),
    path(
        "sources/<str:ref>/secrets/<str:id>/reveal/",
        source_secrets.SourceSecretReveal.as_view(),
        name="source-secret-reveal",
    ),
    path("sources/<str:ref>/stats/", sources.SourceStats.as_view(), name="source-stats"),
    path("sources/<str:ref>/test/", sources.SourceTest.as_view(), name="source-test"),
]
