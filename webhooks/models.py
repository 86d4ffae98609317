"""Collect the models of the receiver for Django; each is defined in the room of its subject."""

from webhooks.audit.models import AuditEntry, KeyLooks
from webhooks.encryption.models import EncryptionKey
from webhooks.processing.models import LatestSequence, ReceiptReplay, SlowSource
from webhooks.readers.models import SourcePartition
from webhooks.receiving.models import Receipt, Rejection
from webhooks.sources.hour_models import SourceHour
from webhooks.sources.models import Source, SourceSecret

__all__ = [
    "AuditEntry",
    "EncryptionKey",
    "KeyLooks",
    "LatestSequence",
    "Receipt",
    "ReceiptReplay",
    "Rejection",
    "SlowSource",
    "Source",
    "SourceHour",
    "SourcePartition",
    "SourceSecret",
]
