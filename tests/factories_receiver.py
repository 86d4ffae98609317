"""Make minimal valid rows of the receiver, and sign messages with an independent library."""

import hashlib
import hmac
import uuid
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from webhooks.models import Receipt, Source
from webhooks.sources.secret_rotation import add_secret
from webhooks.wire.ids import new_id
from webhooks.wire.signing.keys import new_secret

SECRET = new_secret()


def make_source(*, secret: str | None = SECRET, **changes: Any) -> Source:
    """Create a source with this secret."""
    source = Source.objects.create(**{"scheme": "standard", **changes})
    if secret is not None:
        add_secret(source, secret)
    return source


def make_receipt(source: Source | None = None, *, body: bytes | None = b'{"type":"a.b"}', **changes: Any) -> Receipt:
    """Create a receipt that is due."""
    values = {
        "source": source or make_source(),
        "message_id": f"msg_{uuid.uuid4().hex}",
        "event_type": "a.b",
        "content_type": "application/json",
        "body": body,
        "size": len(body or b""),
        "sha256": hashlib.sha256(body or b"").hexdigest(),
    }
    receipt = Receipt.objects.create(**{**values, **changes})
    return Receipt.objects.get(pk=receipt.pk)


def id_at(moment: datetime) -> uuid.UUID:
    """Return a primary key made at that moment."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)


def signed(body: bytes, *, secret: str = SECRET, message_id: str = "msg_1") -> dict[str, str]:
    """Return headers signed by the reference library of Standard Webhooks, which accepts text only."""
    now = datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, body.decode()),
    }


def signed_by_github(body: bytes, secret: str, delivery: str = "d-1", event: str = "push") -> dict[str, str]:
    """Return headers signed as GitHub signs."""
    return {
        "x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
        "x-github-delivery": delivery,
        "x-github-event": event,
    }


def signed_by_slack(body: bytes, secret: str) -> dict[str, str]:
    """Return headers signed as Slack signs."""
    now = str(int(datetime.now(UTC).timestamp()))
    return {
        "x-slack-request-timestamp": now,
        "x-slack-signature": "v0=" + hmac.digest(secret.encode(), b"v0:" + now.encode() + b":" + body, "sha256").hex(),
    }
