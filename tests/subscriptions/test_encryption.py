import pytest
from cryptography.fernet import Fernet

from subscriptions.encryption import seal, unseal
from webhooks.kit.encryption import BrokenSeal


def test_what_was_sealed_is_unsealed_and_reads_like_nothing():
    sealed = seal("whsec_x")
    assert unseal(memoryview(sealed)) == "whsec_x"
    assert b"whsec_x" not in sealed
    assert seal("whsec_x") != sealed


def test_an_older_key_still_unseals_and_a_lost_one_does_not(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.WAYPOST_ENCRYPTION_KEYS = [old]
    sealed = seal("whsec_x")
    settings.WAYPOST_ENCRYPTION_KEYS = [new, old]
    assert unseal(sealed) == "whsec_x"
    settings.WAYPOST_ENCRYPTION_KEYS = [new]
    with pytest.raises(BrokenSeal):
        unseal(sealed)
