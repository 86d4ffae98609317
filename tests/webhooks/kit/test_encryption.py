import pytest
from cryptography.fernet import Fernet

from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt


def test_decrypt_returns_the_text_and_ciphertext_differs_each_time():
    ciphertext = encrypt("whsec_x")
    assert decrypt(memoryview(ciphertext)) == "whsec_x"
    assert b"whsec_x" not in ciphertext
    assert encrypt("whsec_x") != ciphertext


def test_decrypt_works_with_an_older_key_and_raises_once_the_key_is_removed(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.WAYPOST_ENCRYPTION_KEYS = [old]
    ciphertext = encrypt("whsec_x")
    settings.WAYPOST_ENCRYPTION_KEYS = [new, old]
    assert decrypt(ciphertext) == "whsec_x"
    settings.WAYPOST_ENCRYPTION_KEYS = [new]
    with pytest.raises(CannotDecrypt):
        decrypt(ciphertext)


def test_encrypt_without_a_key_is_an_error(settings):
    settings.WAYPOST_ENCRYPTION_KEYS = []
    with pytest.raises(ValueError, match="at least one key"):
        encrypt("whsec_x")
