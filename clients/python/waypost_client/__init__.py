"""Call Waypost's API, and verify its webhooks."""

from waypost_client.client import AsyncClient, Client
from waypost_client.errors import (
    Conflict,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotConnected,
    NotFound,
    Problem,
    ServerError,
    TooManyRequests,
    WaypostError,
)
from waypost_client.webhooks import WebhookVerificationError, verify

__all__ = [
    "AsyncClient",
    "Client",
    "Conflict",
    "InvalidRequest",
    "NotAllowed",
    "NotAuthenticated",
    "NotConnected",
    "NotFound",
    "Problem",
    "ServerError",
    "TooManyRequests",
    "WaypostError",
    "WebhookVerificationError",
    "verify",
]
