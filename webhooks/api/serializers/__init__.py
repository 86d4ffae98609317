"""How what the receiver keeps looks from outside."""

from webhooks.api.serializers.receipts import (
    NewReplaySerializer,
    ReceiptSerializer,
    RejectionSerializer,
    ReplayDoneSerializer,
    ReplayPreviewSerializer,
)
from webhooks.api.serializers.secrets import MadeSecretSerializer, NewSecretSerializer, SecretSerializer
from webhooks.api.serializers.sources import ANSWER_TYPES, MadeSourceSerializer, SourceSerializer
from webhooks.api.serializers.stats import NewStatsSerializer, StatsSerializer
from webhooks.api.serializers.test_messages import NewTrialSerializer, TrialSerializer

__all__ = [
    "ANSWER_TYPES",
    "MadeSecretSerializer",
    "MadeSourceSerializer",
    "NewReplaySerializer",
    "NewSecretSerializer",
    "NewStatsSerializer",
    "NewTrialSerializer",
    "ReceiptSerializer",
    "RejectionSerializer",
    "ReplayDoneSerializer",
    "ReplayPreviewSerializer",
    "SecretSerializer",
    "SourceSerializer",
    "StatsSerializer",
    "TrialSerializer",
]
