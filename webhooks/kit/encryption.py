"""Encrypt secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256), with keys that are not in the database.

The keys are in the setting WAYPOST_ENCRYPTION_KEYS (32 bytes each, URL-safe base64). The first key encrypts; each key
decrypts. To rotate, put the new key first. New values are encrypted with it; old keys must stay in the list, since
nothing re-encrypts stored values yet (docs/how-to/operate.md, "Rotate the encryption keys").

A stored value that no key decrypts raises CannotDecrypt. Callers treat such a value as a missing secret: they sign,
send and accept nothing with it. An empty or malformed key list raises ValueError at the first use.

Columns with encrypted values: ``ciphertext`` of HttpSettings (headers, credentials, TLS keys), SigningSecret,
OAuthToken, StoredResponse (responses recorded for idempotency keys), SourceSecret, MaskingSecret and, on the platform,
Authenticator (keys of second factors); ``verify_token`` of Source; ``body`` of Broadcast; ``original`` of Event, and
``body`` of a Delivery whose ``form`` says so.

What only has to be recognized is stored as a keyed digest, with the same keys: ``digest`` of RecoveryCode.
"""

import hmac
from base64 import urlsafe_b64decode
from functools import lru_cache
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotDecrypt(Exception):
    """Report a stored value that no encryption key decrypts: its key was removed, or the row was altered."""


def encrypt(text: str) -> bytes:
    """Encrypt a text for storage. Encrypting the same text again gives another ciphertext."""
    return _fernet(tuple(settings.WAYPOST_ENCRYPTION_KEYS)).encrypt(text.encode())


def decrypt(ciphertext: bytes | memoryview) -> str:
    """Decrypt a stored ciphertext. Raises CannotDecrypt."""
    try:
        return _fernet(tuple(settings.WAYPOST_ENCRYPTION_KEYS)).decrypt(bytes(ciphertext)).decode()
    except InvalidToken as error:
        raise CannotDecrypt("No encryption key decrypts this value.") from error


def keyed_digests(purpose: str, text: str) -> list[bytes]:
    """Return the HMAC-SHA256 of a text under each encryption key; the first one is the one to store.

    Who reads the database cannot test a guess of the text. ``purpose``: one word for each kind of text, so that equal
    texts of two kinds have different digests.
    """
    message = f"{purpose}\0{text}".encode()
    return [hmac.digest(urlsafe_b64decode(key), message, sha256) for key in settings.WAYPOST_ENCRYPTION_KEYS]


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ValueError("WAYPOST_ENCRYPTION_KEYS must list at least one key.")
    return MultiFernet([Fernet(key) for key in keys])
