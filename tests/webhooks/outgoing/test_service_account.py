"""Keys of service accounts, and the signed requests for their tokens, verified by another library."""

import json
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from webhooks.outgoing.service_account import read_key, token_request

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


def key_file(**changes: object) -> str:
    document = {
        "client_email": "sender@shop.example",
        "private_key": pem_of(PRIVATE),
        "private_key_id": "k1",
        "project_id": "shop",
        "token_uri": "https://oauth2.example/token",
    }
    return json.dumps({**document, **changes})


def test_request_has_an_assertion_that_its_token_server_verifies() -> None:
    account = read_key(key_file())
    headers, body = token_request(account, "https://scope.example", 1_700_000_000.9)
    form = parse_qs(body.decode())
    assertion = form["assertion"][0]
    claims = jwt.decode(
        assertion,
        PRIVATE.public_key(),
        ["RS256"],
        audience="https://oauth2.example/token",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims == {
        "iss": "sender@shop.example",
        "scope": "https://scope.example",
        "aud": "https://oauth2.example/token",
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
    }
    assert jwt.get_unverified_header(assertion)["kid"] == "k1"
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nonsense",
        key_file(client_email=None),
        key_file(token_uri=1),
        key_file(private_key="-----BEGIN PRIVATE KEY-----"),
        key_file(private_key=pem_of(ec.generate_private_key(ec.SECP256R1()))),
    ],
    ids=["empty", "array", "text", "no-email", "no-url", "no-key", "elliptic-key"],
)
def test_text_that_is_no_key_of_a_service_account_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(Must be|Its private_key must be) .*\.$"):
        read_key(text)
