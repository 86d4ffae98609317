"""How what the receiver keeps looks from outside."""

from webhooks.serializers.figures import (
    NewStatsSerializer,
    StatsSerializer,
)
from webhooks.serializers.receipts import (
    NewReplaySerializer,
    ReceiptSerializer,
    RejectionSerializer,
    ReplayDoneSerializer,
    ReplayPreviewSerializer,
)
from webhooks.serializers.secrets import (
    MadeSecretSerializer,
    NewSecretSerializer,
    SecretSerializer,
)
from webhooks.serializers.sources import (
    ANSWER_TYPES,
    MadeSourceSerializer,
    SourceSerializer,
)
from webhooks.serializers.trials import (
    NewTrialSerializer,
    TrialSerializer,
)

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
