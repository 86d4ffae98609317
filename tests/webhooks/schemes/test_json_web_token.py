import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt import PyJWS, encode
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.wire.errors import (
    BadOptions,
    BadSecret,
    KeysUnavailable,
    MalformedHeader,
    MissingHeader,
    NoMatchingSignature,
    StaleTimestamp,
    WrongClaim,
)

URL = "https://keys.example.com/jwks.json"
RSA, OTHER_RSA = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
CURVE, EDWARDS = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(maker: Any, key: Any, kid: str) -> dict[str, Any]:
    return {**maker.to_jwk(key.public_key(), as_dict=True), "kid": kid}


class KeySetHost:
    """A host that publishes keys: `keys` are the current ones, `cached` those of the last fetch."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = self.cached = list(keys)
        self.fetches: list[bool] = []

    def __call__(self, url: str, *, newer: bool = False) -> bytes:
        assert url == URL
        self.fetches.append(newer)
        if newer:
            self.cached = self.keys
        return json.dumps({"keys": self.cached}).encode()


class JwtBattery(SchemeBattery):
    scheme = "jwt"
    signs_body = False
    signs_time = True
    signature_headers = ("Authorization",)
    options: ClassVar[dict[str, str]] = {"issuer": "https://issuer.example.com"}
    claims: ClassVar[dict[str, Any]] = {"iss": "https://issuer.example.com"}

    def token(self, secret: str, claims: dict[str, Any], **header: Any) -> str:
        """Sign a token with PyJWT, with any claims."""
        return PyJWS().encode(json.dumps(claims).encode(), secret, "HS256", headers=header or None)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return self.with_token(self.token(secret, {**self.claims, "iat": now}), body)

    def with_token(self, token: str, body: bytes = BODY) -> Message:
        return Message({"Authorization": f"Bearer {token}"}, body, options=self.options)

    def with_fields(self, **claims: Any) -> Message:
        return self.with_token(self.token(self.secret, {**self.claims, "iat": NOW, **claims}))


class TestShared(JwtBattery):
    secret, other = "a shared secret of 32 bytes or so", "another shared secret of 32 bytes"

    @pytest.mark.parametrize("secret", ["too short", "{", '{"kty":"oct","k":"AAAA"}', "-----BEGIN PUBLIC KEY-----"])
    def test_verify_rejects_an_invalid_key(self, secret: str) -> None:
        with pytest.raises(BadSecret):
            self.verify(self.signed(self.secret), secret)

    @pytest.mark.parametrize("claims", [{"exp": NOW - 300}, {"nbf": NOW + 300}, {"exp": NOW + 10**6}])
    def test_verify_accepts_times_within_the_tolerance(self, claims: dict[str, Any]) -> None:
        self.verify(self.with_fields(**claims), self.secret)

    @pytest.mark.parametrize(
        "claims", [{"exp": NOW - 301}, {"nbf": NOW + 301}, {"iat": NOW + 301}, {"iat": None}, {"iat": NOW - 301}]
    )
    def test_verify_rejects_times_outside_the_tolerance(self, claims: dict[str, Any]) -> None:
        with pytest.raises(StaleTimestamp):
            self.verify(self.with_fields(**claims), self.secret)

    @pytest.mark.parametrize("value", ["1614265330", True, [], {}, 1e300, float("inf"), float("nan")])
    @pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
    def test_verify_rejects_times_that_are_no_numbers(self, name: str, value: Any) -> None:
        with pytest.raises(WrongClaim):
            self.verify(self.with_fields(**{name: value}), self.secret)

    @pytest.mark.parametrize("issuer", [None, "", "other", 5, ["other"], {}])
    def test_verify_rejects_another_issuer(self, issuer: Any) -> None:
        with pytest.raises(WrongClaim):
            self.verify(self.with_fields(iss=issuer), self.secret)

    @pytest.mark.parametrize("payload", [b"[]", b"5", b"null", b'"text"', b"", b"\xff", b"{"])
    def test_verify_rejects_a_payload_that_is_no_object(self, payload: bytes) -> None:
        token = PyJWS().encode(payload, self.secret, "HS256")
        with pytest.raises(MalformedHeader):
            self.verify(self.with_token(token), self.secret)

    def test_verify_rejects_a_token_without_a_signature(self) -> None:
        self.rejects(self.with_token(encode({**self.claims, "iat": NOW}, None, "none")))

    @pytest.mark.parametrize("value", ["Bearer", "Bearer x", "Bearer a.b.c", "Basic a.b.c", "Bearer " + "a." * 9000])
    def test_verify_rejects_text_that_is_no_token(self, value: str) -> None:
        with pytest.raises(MalformedHeader):
            self.verify(Message({"Authorization": value}, options=self.options), self.secret)


class TestPem(JwtBattery):
    secret, other = pem(RSA), pem(OTHER_RSA)
    can_sign = False

    def token(self, secret: str, claims: dict[str, Any], **header: Any) -> str:
        return encode(claims, RSA if secret == self.secret else OTHER_RSA, "RS256", headers=header or None)

    def test_verify_never_uses_a_public_key_as_shared_secret(self) -> None:
        claims = {**self.claims, "iat": NOW}
        forged = encode(claims, "x" * 32, "HS256").rpartition(".")[0]
        mac = hmac.digest(self.secret.encode(), forged.encode(), "sha256")
        encoded = urlsafe_b64encode(mac).decode().rstrip("=")
        self.rejects(self.with_token(f"{forged}.{encoded}"))


class TestPrivateKey(TestPem):
    """Sign test messages with a private key that is the secret of the source."""

    secret, other = private_pem(RSA), private_pem(OTHER_RSA)
    can_sign = True


class TestBodyClaim(JwtBattery):
    secret, other = TestShared.secret, TestShared.other
    signs_body = True
    signature_headers = ("X-Token",)
    options = {"header": "X-Token", "body_claim": "request_body_sha256"}

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        token = self.token(secret, {"iat": now, "request_body_sha256": sha256(body).hexdigest()})
        return Message({"X-Token": token}, body, options=self.options)

    @pytest.mark.parametrize("claim", [None, 5, [], "", "é"])
    def test_verify_rejects_an_invalid_body_claim(self, claim: Any) -> None:
        token = self.token(self.secret, {"iat": NOW, "request_body_sha256": claim})
        self.rejects(Message({"X-Token": token}, options=self.options))


class TestPublished:
    """Check keys that are published at a URL."""

    options: ClassVar[dict[str, str]] = {"jwks_url": URL, "audience": "us", "claims": "sub=shop email=a@example.com"}
    claims: ClassVar[dict[str, Any]] = {"aud": ["them", "us"], "sub": "shop", "email": "a@example.com", "iat": NOW}

    def key_set_host(self) -> KeySetHost:
        shared = {"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "kid": "shared"}
        unknown = {"kty": "AKP", "kid": "tomorrow"}
        return KeySetHost(jwk(RSAAlgorithm, RSA, "r1"), jwk(ECAlgorithm, CURVE, "e1"), shared, unknown)

    def verify(self, token: str, key_set_host: KeySetHost, *secrets: str, **options: str) -> None:
        options = {**self.options, **options}
        headers = {"Authorization": f"Bearer {token}"}
        schemes.verify("jwt", secrets, headers, BODY, now=NOW, options=options, fetch=key_set_host)

    def token(self, key: Any, algorithm: str, kid: str | None, **claims: Any) -> str:
        return encode({**self.claims, **claims}, key, algorithm, headers={"kid": kid} if kid else None)

    @pytest.mark.parametrize("kid", ["r1", None])
    @pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
    def test_verify_accepts_a_token_signed_with_a_published_key(self, kid: str | None, algorithm: str) -> None:
        key_set_host = self.key_set_host()
        self.verify(self.token(RSA, algorithm, kid), key_set_host)
        assert key_set_host.fetches == [False]

    def test_verify_accepts_every_type_of_key(self) -> None:
        key_set_host = KeySetHost(jwk(ECAlgorithm, CURVE, "e1"), jwk(OKPAlgorithm, EDWARDS, "o1"))
        self.verify(self.token(CURVE, "ES256", "e1"), key_set_host)
        self.verify(self.token(EDWARDS, "EdDSA", "o1"), key_set_host)

    def test_verify_fetches_again_once_for_an_unknown_key(self) -> None:
        key_set_host = self.key_set_host()
        key_set_host.keys = [jwk(RSAAlgorithm, OTHER_RSA, "r2")]
        self.verify(self.token(OTHER_RSA, "RS256", "r2"), key_set_host)
        assert key_set_host.fetches == [False, True]
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(RSA, "RS256", "r1"), key_set_host)

    @pytest.mark.parametrize("kid", ["r1", "e1", "unknown", None])
    def test_verify_rejects_a_key_that_is_not_published(self, kid: str | None) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(OTHER_RSA, "RS256", kid), self.key_set_host())

    def test_verify_ignores_a_published_shared_secret(self) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(bytes(32), "HS256", "shared"), self.key_set_host())

    def test_verify_ignores_a_published_encryption_key(self) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(RSA, "RS256", "r1"), KeySetHost({**jwk(RSAAlgorithm, RSA, "r1"), "use": "enc"}))

    @pytest.mark.parametrize("name", ["jku", "x5u", "jwk"])
    def test_verify_ignores_keys_in_the_token(self, name: str) -> None:
        brought = {"jku": "https://evil.example.com/", "x5u": "https://evil.example.com/"}
        value = brought.get(name, jwk(RSAAlgorithm, OTHER_RSA, "r1"))
        token = encode(self.claims, OTHER_RSA, "RS256", headers={"kid": "r1", name: value})
        with pytest.raises(NoMatchingSignature):
            self.verify(token, self.key_set_host())

    def test_verify_rejects_an_unknown_critical_extension(self) -> None:
        token = encode(self.claims, RSA, "RS256", headers={"kid": "r1", "crit": ["odd"], "odd": 1})
        with pytest.raises((NoMatchingSignature, MalformedHeader)):
            self.verify(token, self.key_set_host())

    @pytest.mark.parametrize(
        ("name", "value"), [("aud", "them"), ("aud", None), ("sub", "other"), ("email", ""), ("aud", ["US"])]
    )
    def test_verify_rejects_a_token_with_another_claim(self, name: str, value: Any) -> None:
        with pytest.raises(WrongClaim) as refused:
            self.verify(self.token(RSA, "RS256", "r1", **{name: value}), self.key_set_host())
        assert refused.value.detail == name

    def test_verify_accepts_a_secret_in_addition_to_published_keys(self) -> None:
        self.verify(self.token(OTHER_RSA, "RS256", None), self.key_set_host(), pem(OTHER_RSA))

    @pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": 5}', b"\xff", b"null"])
    def test_verify_raises_keys_unavailable_for_an_invalid_key_set(self, document: bytes) -> None:
        def fetch(url: str, *, newer: bool = False) -> bytes:
            return document

        with pytest.raises(KeysUnavailable):
            self.verify(self.token(RSA, "RS256", "r1"), fetch)  # type: ignore[arg-type]

    def test_verify_ignores_published_keys_that_do_not_parse(self) -> None:
        key_set_host = KeySetHost({"kty": "RSA", "n": 5}, {"kty": "EC"}, {}, jwk(RSAAlgorithm, RSA, "r1"))
        key_set_host.keys.append("odd")  # type: ignore[arg-type]
        self.verify(self.token(RSA, "RS256", "r1"), key_set_host)

    def test_verify_without_fetch_raises_keys_unavailable(self) -> None:
        headers = {"Authorization": f"Bearer {self.token(RSA, 'RS256', 'r1')}"}
        with pytest.raises(KeysUnavailable):
            schemes.verify("jwt", [], headers, BODY, now=NOW, options=self.options)


@pytest.mark.parametrize(
    "options",
    [
        {"header": "x y"},
        {"jwks_url": URL},
        {"jwks_url": "ftp://a/", "audience": "us"},
        {"claims": "sub"},
        {"claims": "=x"},
        {"claims": "sub="},
        {"algorithms": "none"},
    ],
)
def test_invalid_options_are_rejected(options: dict[str, str]) -> None:
    with pytest.raises(BadOptions):
        schemes.get("jwt", options)


def test_verify_rejects_a_replaced_payload() -> None:
    battery = TestShared()
    good, other = (battery.with_fields(sub=name).headers["Authorization"] for name in ("a", "b"))
    mixed = ".".join([*other.split(".")[:2], good.split(".")[2]])
    battery.rejects(replace(battery.with_fields(), headers={"Authorization": mixed}))


SHARED = "a shared secret of 32 bytes or so"


@pytest.mark.parametrize(
    ("options", "wrap"),
    [
        ({}, lambda token: ({"Authorization": token}, b"", "")),
        ({"token_path": "body:"}, lambda token: ({}, token.encode() + b"\n", "")),
        ({"token_path": "body:/signedPayload"}, lambda token: ({}, b'{"signedPayload":"%b"}' % token.encode(), "")),
        ({"token_path": "form:jwt"}, lambda token: ({}, b"jwt=" + token.encode(), "")),
        ({"token_path": "query:jwt"}, lambda token: ({}, b"", f"?jwt={token}")),
    ],
)
def test_token_is_found_without_bearer_in_the_body_and_in_the_query(options: dict[str, str], wrap: Any) -> None:
    def check(token: str) -> None:
        headers, body, query = wrap(token)
        schemes.verify("jwt", [SHARED], headers, body, url=f"https://example.com/{query}", now=NOW, options=options)

    check(encode({"iat": NOW}, SHARED))
    for forged in (encode({"iat": NOW}, SHARED[::-1]), encode({"iat": NOW}, None, "none"), ""):
        with pytest.raises((MalformedHeader, NoMatchingSignature, MissingHeader)):
            check(forged)
    with pytest.raises(StaleTimestamp):
        check(encode({"iat": NOW - 301}, SHARED))


def test_token_without_times_is_accepted_only_if_the_options_say_so() -> None:
    headers = {"Authorization": encode({"iss": "netlify"}, SHARED)}
    with pytest.raises(StaleTimestamp):
        schemes.verify("jwt", [SHARED], headers, b"", now=NOW)
    schemes.verify("jwt", [SHARED], headers, b"", now=NOW, options={"times": "optional"})
    expired = {"Authorization": encode({"exp": NOW - 301}, SHARED)}
    with pytest.raises(StaleTimestamp):
        schemes.verify("jwt", [SHARED], expired, b"", now=NOW, options={"times": "optional"})


@pytest.mark.parametrize(
    "options",
    [{"token_path": "there"}, {"token_path": "header:x"}, {"token_path": "body:", "body_claim": "x"}, {"times": "no"}],
)
def test_invalid_place_of_a_token_is_rejected(options: dict[str, str]) -> None:
    with pytest.raises(BadOptions):
        schemes.get("jwt", options)
