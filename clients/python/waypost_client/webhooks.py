"""Verify webhooks that Waypost sends, by Standard Webhooks."""

import json
from collections.abc import Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

__all__ = ["WebhookVerificationError", "verify"]


def verify(secret: str, headers: Mapping[str, str], body: bytes | str) -> Any:
    """Return the verified event. ``body``: as it was received, byte for byte; ``headers``: in any case.

    Raises WebhookVerificationError if the signature is not one of this secret, or is older than five minutes.
    """
    Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    return json.loads(body)
