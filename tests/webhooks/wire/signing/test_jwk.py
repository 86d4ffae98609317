from base64 import b64encode, urlsafe_b64decode

import pytest

from webhooks.wire.errors import BadSecret
from webhooks.wire.signing.jwk import jwk
from webhooks.wire.signing.standard_webhooks import new_keypair, new_secret

# RFC 8037, appendix A.2 and A.3
X, THUMBPRINT = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_key_of_the_rfc_has_the_thumbprint_of_the_rfc():
    key = jwk("whpk_" + b64encode(urlsafe_b64decode(X + "=")).decode())
    assert key == {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": THUMBPRINT, "x": X}


def test_padding_that_was_left_out_changes_nothing():
    public = "whpk_" + b64encode(urlsafe_b64decode(X + "=")).decode()
    assert jwk(public.rstrip("=")) == jwk(public)


@pytest.mark.parametrize("text", [new_secret(), new_keypair()[0], "whpk_", "whpk_AAAA", ""])
def test_only_a_public_key_becomes_one(text):
    with pytest.raises(BadSecret):
        jwk(text)
