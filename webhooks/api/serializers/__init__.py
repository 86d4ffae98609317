"""Serialize sources, secrets, receipts and rejections."""

from webhooks.api.serializers.receipts import (
    ReceiptReplayPreviewSerializer,
    ReceiptReplayResultSerializer,
    ReceiptReplaySerializer,
    ReceiptSerializer,
    RejectionSerializer,
)
from webhooks.api.serializers.secrets import SecretCreateSerializer, SecretWithValueSerializer, SourceSecretSerializer
from webhooks.api.serializers.sources import RESPONSE_CONTENT_TYPES, SourceSerializer, SourceWithSecretSerializer
from webhooks.api.serializers.stats import SourceStatsQuerySerializer, SourceStatsSerializer
from webhooks.api.serializers.test_messages import TestMessageCreateSerializer, TestMessageSerializer

__all__ = [
    "RESPONSE_CONTENT_TYPES",
    "ReceiptReplayPreviewSerializer",
    "ReceiptReplayResultSerializer",
    "ReceiptReplaySerializer",
    "ReceiptSerializer",
    "RejectionSerializer",
    "SecretCreateSerializer",
    "SecretWithValueSerializer",
    "SourceSecretSerializer",
    "SourceSerializer",
    "SourceStatsQuerySerializer",
    "SourceStatsSerializer",
    "SourceWithSecretSerializer",
    "TestMessageCreateSerializer",
    "TestMessageSerializer",
]
