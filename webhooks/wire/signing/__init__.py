"""Sign and verify webhooks by Standard Webhooks 1.0.0, and the keyed digests that other schemes are built of.

sign(secret, message_id, timestamp, body)    one signature, "v1,..." or "v1a,..." by the secret's prefix
verify(secrets, headers, body, now=...)      raises SignatureError unless one signature matches
"""

from webhooks.wire.errors import SignatureError
from webhooks.wire.signing.standard_webhooks import sign, verify

__all__ = ["SignatureError", "sign", "verify"]
