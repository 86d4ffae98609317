from base64 import b64encode, urlsafe_b64decode

import pytest

from webhooks.wire.errors import BadSecret
from webhooks.wire.signing.jwk import jwk
from webhooks.wire.signing.keys import new_keypair, new_secret

# RFC 8037, appendix A.2 and A.3
X, THUMBPRINT = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_jwk_of_the_rfc_example_has_its_thumbprint():
    key = jwk("whpk_" + b64encode(urlsafe_b64decode(X + "=")).decode())
    assert key == {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": THUMBPRINT, "x": X}


def test_jwk_ignores_missing_padding():
    public = "whpk_" + b64encode(urlsafe_b64decode(X + "=")).decode()
    assert jwk(public.rstrip("=")) == jwk(public)


@pytest.mark.parametrize("text", [new_secret(), new_keypair()[0], "whpk_", "whpk_AAAA", ""])
def test_jwk_rejects_all_but_public_keys(text):
    with pytest.raises(BadSecret):
        jwk(text)
