"""A secret at rest is sealed: authenticated encryption, the key from outside the database.

Fernet (AES-128-CBC with HMAC-SHA256) under a list of keys: the first seals, all unseal. To change the key, put
the new one in front, reseal what is stored, then drop the old one.
"""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

__all__ = ["BrokenSeal", "Sealer"]


class BrokenSeal(Exception):
    """A sealed secret opens with none of the encryption keys: the key was lost, or the row was altered."""


class Sealer:
    """Seals and unseals text under Fernet keys (32 bytes, URL-safe base64). No key at all is an error."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one encryption key is needed")
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def unseal(self, blob: bytes) -> str:
        try:
            return self._fernet.decrypt(bytes(blob)).decode()
        except InvalidToken as error:
            raise BrokenSeal(str(BrokenSeal.__doc__)) from error
