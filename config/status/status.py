"""Put together how busy both halves of the platform are, at most once a second."""

from dataclasses import dataclass

from delivery.reading.platform_load import PlatformLoad, platform_load
from webhooks.kit.caches.single_flight import SingleFlight
from webhooks.processing.backlog import ReceiptBacklog, receipt_backlog


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """How busy the platform is: publishing and sending, and the handlers of received messages."""

    load: PlatformLoad
    receipts: ReceiptBacklog


def _status(_key: str) -> PlatformStatus:
    return PlatformStatus(platform_load(), receipt_backlog())


cached_status = SingleFlight(_status)  # one entry, under the key ""


def platform_status() -> PlatformStatus:
    """Return how busy the platform is, at most a second old."""
    return cached_status.get("")
