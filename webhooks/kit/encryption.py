"""Encrypt secrets at rest: Fernet (AES-128-CBC with HMAC-SHA256), with keys that are not in the database.

The keys are WAYPOST_ENCRYPTION_KEYS (32 bytes each, URL-safe base64): the first encrypts, all decrypt. To rotate, add
the new key first. New values are encrypted with it; old keys stay in the list, since nothing re-encrypts stored values
yet (docs/how-to/operate.md, "Rotate the encryption keys").

Failure: a value that no key decrypts raises CannotDecrypt. Callers treat it as a missing secret: nothing is signed,
sent or accepted with it. A key list that is empty or malformed raises ValueError at the first use.

Columns with encrypted values: ``ciphertext`` of HttpSettings (headers, credentials, TLS keys), SigningSecret,
OAuthToken, StoredResponse (responses recorded for idempotency keys) and SourceSecret; ``verify_token`` of Source.
"""

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotDecrypt(Exception):
    """Signal a stored value that no encryption key decrypts: the key was lost, or the row was altered."""


def encrypt(text: str) -> bytes:
    """Return the ciphertext to store for this text; it differs each time."""
    return _fernet(tuple(settings.WAYPOST_ENCRYPTION_KEYS)).encrypt(text.encode())


def decrypt(ciphertext: bytes | memoryview) -> str:
    """Return the text behind a stored ciphertext. Raises CannotDecrypt."""
    try:
        return _fernet(tuple(settings.WAYPOST_ENCRYPTION_KEYS)).decrypt(bytes(ciphertext)).decode()
    except InvalidToken as error:
        raise CannotDecrypt("No encryption key decrypts this value.") from error


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise ValueError("WAYPOST_ENCRYPTION_KEYS must name at least one key.")
    return MultiFernet([Fernet(key) for key in keys])
