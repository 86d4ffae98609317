"""Route the receiver's REST resources, below /api/v1/, and the URLs that senders send to, at the root."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from webhooks.api import (
    audit,
    receipt_replays,
    receipts,
    rejections,
    senders,
    source_kinds,
    source_reading,
    source_secrets,
    sources,
)
from webhooks.inbound_urls import urlpatterns as inbound_urlpatterns

__all__ = ["api_urlpatterns", "inbound_urlpatterns"]

router = SimpleRouter(use_regex_path=False)
router.register("audit", audit.Audit, "audit-entry")
router.register("sources", sources.Sources, "source")
router.register("receipt-replays", receipt_replays.ReceiptReplays, "receipt-replay")
router.register("receipts", receipts.Receipts, "receipt")
router.register("rejections", rejections.Rejections, "rejection")

api_urlpatterns = [
    path("audit/export/", audit.AuditExport.as_view(), name="audit-export"),  # before audit/<ref>/
    path("receipt-replays/preview/", receipt_replays.ReceiptReplayPreview.as_view(), name="receipt-replay-preview"),
    path("sources/test/", source_reading.SourceSettingsTest.as_view(), name="source-settings-test"),
    *router.urls,
    path("receipts/<str:ref>/attempts/", receipts.ReceiptAttempts.as_view(), name="receipt-attempts"),
    path("receipts/<str:ref>/body/", receipts.ReceiptBody.as_view(), name="receipt-body"),
    path("receipts/<str:ref>/replay/", receipts.OneReceiptReplay.as_view(), name="receipt-replay-now"),
    path(
        "receipt-replays/<str:ref>/cancel/", receipt_replays.ReceiptReplayCancel.as_view(), name="receipt-replay-cancel"
    ),
    path("receipts/<str:ref>/retry/", receipts.ReceiptRetry.as_view(), name="receipt-retry"),
    path("senders/", senders.Senders.as_view(), name="senders"),
    path("source-kinds/", source_kinds.SourceKinds.as_view(), name="source-kinds"),
    path("sources/<str:ref>/partitions/", source_reading.SourcePartitions.as_view(), name="source-partitions"),
    path(
        "sources/<str:ref>/settings/test/",
        source_reading.StoredSettingsTest.as_view(),
        name="source-stored-settings-test",
    ),
    path("sources/<str:ref>/seek/", source_reading.SourceSeek.as_view(), name="source-seek"),
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
