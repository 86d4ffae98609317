"""Sign and verify webhooks by Standard Webhooks 1.0.0, and provide the HMAC signatures that other schemes use.

sign(secret, message_id, timestamp, body)    return one signature, "v1,..." or "v1a,..." by the secret's prefix
verify(secrets, headers, body, now=...)      raises SignatureError unless one signature matches
"""

from webhooks.wire.errors import SignatureError
from webhooks.wire.signing.standard_webhooks import sign, verify

__all__ = ["SignatureError", "sign", "verify"]
