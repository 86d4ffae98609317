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


class Publisher:
    """Where the sender publishes its keys; `keys` is what a fresh look finds, `seen` what was remembered."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = self.seen = list(keys)
        self.asked: list[bool] = []

    def __call__(self, url: str, *, newer: bool = False) -> bytes:
        assert url == URL
        self.asked.append(newer)
        if newer:
            self.seen = self.keys
        return json.dumps({"keys": self.seen}).encode()


class JwtBattery(SchemeBattery):
    scheme = "jwt"
    signs_body = False
    signs_time = True
    proof = ("Authorization",)
    options: ClassVar[dict[str, str]] = {"issuer": "https://issuer.example.com"}
    claims: ClassVar[dict[str, Any]] = {"iss": "https://issuer.example.com"}

    def token(self, secret: str, claims: dict[str, Any], **header: Any) -> str:
        """As PyJWT signs it, whatever the claims hold."""
        return PyJWS().encode(json.dumps(claims).encode(), secret, "HS256", headers=header or None)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return self.carrying(self.token(secret, {**self.claims, "iat": now}), body)

    def carrying(self, token: str, body: bytes = BODY) -> Message:
        return Message({"Authorization": f"Bearer {token}"}, body, options=self.options)

    def saying(self, **claims: Any) -> Message:
        return self.carrying(self.token(self.secret, {**self.claims, "iat": NOW, **claims}))


class TestShared(JwtBattery):
    secret, other = "a shared secret of 32 bytes or so", "another shared secret of 32 bytes"

    @pytest.mark.parametrize("secret", ["too short", "{", '{"kty":"oct","k":"AAAA"}', "-----BEGIN PUBLIC KEY-----"])
    def test_what_is_no_key_is_refused(self, secret: str) -> None:
        with pytest.raises(BadSecret):
            self.verify(self.signed(self.secret), secret)

    @pytest.mark.parametrize("claims", [{"exp": NOW - 300}, {"nbf": NOW + 300}, {"exp": NOW + 10**6}])
    def test_times_hold_give_or_take_the_tolerance(self, claims: dict[str, Any]) -> None:
        self.verify(self.saying(**claims), self.secret)

    @pytest.mark.parametrize(
        "claims", [{"exp": NOW - 301}, {"nbf": NOW + 301}, {"iat": NOW + 301}, {"iat": None}, {"iat": NOW - 301}]
    )
    def test_times_that_do_not_hold_are_refused(self, claims: dict[str, Any]) -> None:
        with pytest.raises(StaleTimestamp):
            self.verify(self.saying(**claims), self.secret)

    @pytest.mark.parametrize("value", ["1614265330", True, [], {}, 1e300, float("inf"), float("nan")])
    @pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
    def test_times_are_numbers(self, name: str, value: Any) -> None:
        with pytest.raises(WrongClaim):
            self.verify(self.saying(**{name: value}), self.secret)

    @pytest.mark.parametrize("issuer", [None, "", "other", 5, ["other"], {}])
    def test_the_issuer_is_the_one_we_were_told(self, issuer: Any) -> None:
        with pytest.raises(WrongClaim):
            self.verify(self.saying(iss=issuer), self.secret)

    @pytest.mark.parametrize("payload", [b"[]", b"5", b"null", b'"text"', b"", b"\xff", b"{"])
    def test_what_is_no_object_is_malformed(self, payload: bytes) -> None:
        token = PyJWS().encode(payload, self.secret, "HS256")
        with pytest.raises(MalformedHeader):
            self.verify(self.carrying(token), self.secret)

    def test_a_token_without_a_signature_is_refused(self) -> None:
        self.refuses(self.carrying(encode({**self.claims, "iat": NOW}, None, "none")))

    @pytest.mark.parametrize("value", ["Bearer", "Bearer x", "Bearer a.b.c", "Basic a.b.c", "Bearer " + "a." * 9000])
    def test_what_is_no_token_is_malformed(self, value: str) -> None:
        with pytest.raises(MalformedHeader):
            self.verify(Message({"Authorization": value}, options=self.options), self.secret)


class TestPem(JwtBattery):
    secret, other = pem(RSA), pem(OTHER_RSA)
    can_be_signed_by_us = False

    def token(self, secret: str, claims: dict[str, Any], **header: Any) -> str:
        return encode(claims, RSA if secret == self.secret else OTHER_RSA, "RS256", headers=header or None)

    def test_a_public_key_is_never_a_shared_secret(self) -> None:
        claims = {**self.claims, "iat": NOW}
        forged = encode(claims, "x" * 32, "HS256").rpartition(".")[0]
        mac = hmac.digest(self.secret.encode(), forged.encode(), "sha256")
        encoded = urlsafe_b64encode(mac).decode().rstrip("=")
        self.refuses(self.carrying(f"{forged}.{encoded}"))


class TestPrivateKey(TestPem):
    """A source may hold the private key, for its tests: then we can sign."""

    secret, other = private_pem(RSA), private_pem(OTHER_RSA)
    can_be_signed_by_us = True


class TestBodyClaim(JwtBattery):
    secret, other = TestShared.secret, TestShared.other
    signs_body = True
    proof = ("X-Token",)
    options = {"header": "X-Token", "body_claim": "request_body_sha256"}

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        token = self.token(secret, {"iat": now, "request_body_sha256": sha256(body).hexdigest()})
        return Message({"X-Token": token}, body, options=self.options)

    @pytest.mark.parametrize("claim", [None, 5, [], "", "é"])
    def test_a_digest_that_is_none_is_refused(self, claim: Any) -> None:
        token = self.token(self.secret, {"iat": NOW, "request_body_sha256": claim})
        self.refuses(Message({"X-Token": token}, options=self.options))


class TestPublished:
    """Keys at a URL."""

    options: ClassVar[dict[str, str]] = {"jwks_url": URL, "audience": "us", "claims": "sub=shop email=a@example.com"}
    claims: ClassVar[dict[str, Any]] = {"aud": ["them", "us"], "sub": "shop", "email": "a@example.com", "iat": NOW}

    def publisher(self) -> Publisher:
        shared = {"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "kid": "shared"}
        unknown = {"kty": "AKP", "kid": "tomorrow"}
        return Publisher(jwk(RSAAlgorithm, RSA, "r1"), jwk(ECAlgorithm, CURVE, "e1"), shared, unknown)

    def verify(self, token: str, publisher: Publisher, *secrets: str, **options: str) -> None:
        options = {**self.options, **options}
        headers = {"Authorization": f"Bearer {token}"}
        schemes.verify("jwt", secrets, headers, BODY, now=NOW, options=options, fetch=publisher)

    def token(self, key: Any, algorithm: str, kid: str | None, **claims: Any) -> str:
        return encode({**self.claims, **claims}, key, algorithm, headers={"kid": kid} if kid else None)

    @pytest.mark.parametrize("kid", ["r1", None])
    @pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
    def test_a_token_signed_with_a_published_key_is_believed(self, kid: str | None, algorithm: str) -> None:
        publisher = self.publisher()
        self.verify(self.token(RSA, algorithm, kid), publisher)
        assert publisher.asked == [False]

    def test_every_kind_of_key_will_do(self) -> None:
        publisher = Publisher(jwk(ECAlgorithm, CURVE, "e1"), jwk(OKPAlgorithm, EDWARDS, "o1"))
        self.verify(self.token(CURVE, "ES256", "e1"), publisher)
        self.verify(self.token(EDWARDS, "EdDSA", "o1"), publisher)

    def test_a_key_that_is_new_there_is_looked_for_once(self) -> None:
        publisher = self.publisher()
        publisher.keys = [jwk(RSAAlgorithm, OTHER_RSA, "r2")]
        self.verify(self.token(OTHER_RSA, "RS256", "r2"), publisher)
        assert publisher.asked == [False, True]
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(RSA, "RS256", "r1"), publisher)

    @pytest.mark.parametrize("kid", ["r1", "e1", "nobody", None])
    def test_a_key_that_is_not_there_is_refused(self, kid: str | None) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(OTHER_RSA, "RS256", kid), self.publisher())

    def test_a_shared_secret_does_not_count_because_it_is_published(self) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(bytes(32), "HS256", "shared"), self.publisher())

    def test_a_key_for_encryption_signs_nothing(self) -> None:
        with pytest.raises(NoMatchingSignature):
            self.verify(self.token(RSA, "RS256", "r1"), Publisher({**jwk(RSAAlgorithm, RSA, "r1"), "use": "enc"}))

    @pytest.mark.parametrize("name", ["jku", "x5u", "jwk"])
    def test_keys_a_token_brings_along_are_not_looked_at(self, name: str) -> None:
        brought = {"jku": "https://evil.example.com/", "x5u": "https://evil.example.com/"}
        value = brought.get(name, jwk(RSAAlgorithm, OTHER_RSA, "r1"))
        token = encode(self.claims, OTHER_RSA, "RS256", headers={"kid": "r1", name: value})
        with pytest.raises(NoMatchingSignature):
            self.verify(token, self.publisher())

    def test_an_extension_that_must_be_understood_is_refused(self) -> None:
        token = encode(self.claims, RSA, "RS256", headers={"kid": "r1", "crit": ["odd"], "odd": 1})
        with pytest.raises((NoMatchingSignature, MalformedHeader)):
            self.verify(token, self.publisher())

    @pytest.mark.parametrize(
        ("name", "value"), [("aud", "them"), ("aud", None), ("sub", "other"), ("email", ""), ("aud", ["US"])]
    )
    def test_a_token_for_somebody_else_is_refused(self, name: str, value: Any) -> None:
        with pytest.raises(WrongClaim) as refused:
            self.verify(self.token(RSA, "RS256", "r1", **{name: value}), self.publisher())
        assert refused.value.claim == name

    def test_a_secret_beside_the_published_keys_counts_too(self) -> None:
        self.verify(self.token(OTHER_RSA, "RS256", None), self.publisher(), pem(OTHER_RSA))

    @pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": 5}', b"\xff", b"null"])
    def test_what_is_no_key_set_is_out_of_reach(self, document: bytes) -> None:
        def fetch(url: str, *, newer: bool = False) -> bytes:
            return document

        with pytest.raises(KeysUnavailable):
            self.verify(self.token(RSA, "RS256", "r1"), fetch)  # type: ignore[arg-type]

    def test_keys_that_cannot_be_read_do_not_spoil_the_others(self) -> None:
        publisher = Publisher({"kty": "RSA", "n": 5}, {"kty": "EC"}, {}, jwk(RSAAlgorithm, RSA, "r1"))
        publisher.keys.append("odd")  # type: ignore[arg-type]
        self.verify(self.token(RSA, "RS256", "r1"), publisher)

    def test_without_a_network_keys_are_out_of_reach(self) -> None:
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
def test_options_that_make_no_sense_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(BadOptions):
        schemes.get("jwt", options)


def test_replacing_the_payload_breaks_the_signature() -> None:
    battery = TestShared()
    good, other = (battery.saying(sub=name).headers["Authorization"] for name in ("a", "b"))
    mixed = ".".join([*other.split(".")[:2], good.split(".")[2]])
    battery.refuses(replace(battery.saying(), headers={"Authorization": mixed}))
