"""Check signatures with the keys of senders, made with the private keys by the cryptography library."""

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.webhooks.schemes.authority import certificate
from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.schemes.scheme import MAX_KEPT_BODY
from webhooks.wire.errors import BadOptions, BadSecret, BodyTooLarge, KeysUnavailable, NoMatchingSignature

RSA, OTHER_RSA = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
CURVE, OTHER_CURVE = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
EDWARDS, OTHER_EDWARDS = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
URL = "https://keys.example.com/keys"


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def der_base64(key: Any) -> str:
    return b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def raw_hex(key: ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


class PublicKeyBattery(SchemeBattery):
    scheme = "public_key"
    pads_freely = True
    can_sign = False
    signature_headers: ClassVar[tuple[str, ...]] = ("X-Signature",)
    options: ClassVar[dict[str, str]]
    keys: ClassVar[dict[str, Any]]  # private keys by their secret

    def sign(self, key: Any, content: bytes) -> bytes:
        raise NotImplementedError

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        signature = b64encode(self.sign(self.keys[secret], body)).decode()
        return Message({"X-Signature": signature}, body, options=self.options)


class TestEd25519LikeDiscord(PublicKeyBattery):
    secret, other = raw_hex(EDWARDS), raw_hex(OTHER_EDWARDS)
    signs_time = True
    signature_headers = ("X-Signature-Ed25519", "X-Signature-Timestamp")
    options = {
        "header": "x-signature-ed25519",
        "encoding": "hex",
        "signed": "{timestamp}{body}",
        "timestamp_header": "x-signature-timestamp",
    }

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        key = EDWARDS if secret == self.secret else OTHER_EDWARDS
        signature = key.sign(b"%d%b" % (now, body)).hex()
        return Message(
            {"X-Signature-Ed25519": signature, "X-Signature-Timestamp": str(now)}, body, options=self.options
        )

    def test_verify_rejects_a_body_too_large_to_keep(self) -> None:
        message = self.signed(self.secret)
        verifier = schemes.get(self.scheme, self.options).begin_verification([self.secret], message.headers, now=NOW)
        with pytest.raises(BodyTooLarge):
            verifier.update(b"x" * MAX_KEPT_BODY)


class TestEcdsaInDer(PublicKeyBattery):
    secret, other = der_base64(CURVE), der_base64(OTHER_CURVE)
    options = {"algorithm": "ecdsa-sha256"}
    keys = {secret: CURVE, other: OTHER_CURVE}

    def sign(self, key: Any, content: bytes) -> bytes:
        return bytes(key.sign(content, ec.ECDSA(hashes.SHA256())))


class TestEcdsaAsTwoNumbers(TestEcdsaInDer):
    options = {"algorithm": "ecdsa-sha256", "ecdsa_form": "raw"}

    def sign(self, key: Any, content: bytes) -> bytes:
        return b"".join(number.to_bytes(32) for number in decode_dss_signature(super().sign(key, content)))


class TestRsaPkcs1(PublicKeyBattery):
    secret, other = pem(RSA), pem(OTHER_RSA)
    options = {"algorithm": "rsa-sha256"}
    keys = {secret: RSA, other: OTHER_RSA}

    def sign(self, key: Any, content: bytes) -> bytes:
        return bytes(key.sign(content, padding.PKCS1v15(), hashes.SHA256()))


class TestRsaPss(TestRsaPkcs1):
    options = {"algorithm": "rsa-pss-sha256"}

    def sign(self, key: Any, content: bytes) -> bytes:
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return bytes(key.sign(content, salted, hashes.SHA256()))


class KeyHost:
    """A host that publishes keys: `document` is the current one, `cached` that of the last fetch."""

    def __init__(self, document: bytes) -> None:
        self.document = self.cached = document
        self.fetches: list[bool] = []

    def __call__(self, url: str, *, newer: bool = False) -> bytes:
        assert url == URL
        self.fetches.append(newer)
        if newer:
            self.cached = self.document
        return self.cached


def key_set(**keys: Any) -> bytes:
    makers: dict[bool, Any] = {True: RSAAlgorithm, False: ECAlgorithm}
    found = [
        {**makers[isinstance(key, rsa.RSAPrivateKey)].to_jwk(key.public_key(), as_dict=True), "kid": name}
        for name, key in keys.items()
    ]
    return json.dumps({"keys": found}).encode()


PUBLISHED = {"algorithm": "rsa-sha256", "keys_url": URL, "key_id_header": "x-key-id"}


def published(key: rsa.RSAPrivateKey, key_id: str, host: Any, **options: str) -> Message:
    signature = b64encode(key.sign(BODY, padding.PKCS1v15(), hashes.SHA256())).decode()
    headers = {"X-Signature": signature, "X-Key-Id": key_id}
    return Message(headers, options={**PUBLISHED, **options}, fetch=host)


def verify(message: Message, *secrets: str) -> None:
    schemes.verify(
        "public_key",
        list(secrets),
        message.headers,
        message.body,
        now=NOW,
        options=message.options,
        fetch=message.fetch,
    )


def test_published_key_is_found_by_its_id_and_fetched_again_after_a_rotation() -> None:
    host = KeyHost(key_set(a=RSA))
    verify(published(RSA, "a", host))
    host.document = key_set(b=OTHER_RSA)
    verify(published(OTHER_RSA, "b", host))
    assert host.fetches[-1] is True
    with pytest.raises(NoMatchingSignature):
        verify(published(RSA, "a", host))


def test_signature_of_a_published_key_under_the_name_of_another_is_rejected() -> None:
    host = KeyHost(key_set(a=RSA, b=OTHER_RSA))
    with pytest.raises(NoMatchingSignature):
        verify(published(RSA, "b", host))


def test_published_keys_may_be_pem_a_certificate_or_a_list_of_named_keys() -> None:
    verify(published(RSA, "a", KeyHost(pem(RSA).encode())))
    verify(published(RSA, "a", KeyHost(certificate(RSA))))
    named = {"public_keys": [{"key_identifier": "a", "key": pem(RSA), "is_current": True}]}
    verify(published(RSA, "a", KeyHost(json.dumps(named).encode())))


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[]", b'"public_keys"', b'{"public_keys": [{}]}', b"-----BEGIN X"]
)
def test_document_without_keys_is_unavailable(document: bytes) -> None:
    with pytest.raises(KeysUnavailable):
        verify(published(RSA, "a", KeyHost(document)))


def test_rotated_keys_are_accepted_beside_each_other() -> None:
    options = {"algorithm": "rsa-sha256"}
    for key in (RSA, OTHER_RSA):
        signature = b64encode(key.sign(BODY, padding.PKCS1v15(), hashes.SHA256())).decode()
        verify(Message({"x-signature": signature}, options=options), pem(RSA), pem(OTHER_RSA))


@pytest.mark.parametrize("secret", ["text", "AP8=", pem(CURVE), "-----BEGIN PUBLIC KEY-----", "{}", "ff" * 32])
def test_secret_without_a_key_of_the_algorithm_is_rejected(secret: str) -> None:
    with pytest.raises(BadSecret):
        verify(Message({"x-signature": "AAAA"}, options={"algorithm": "rsa-sha256"}), secret)


def test_signature_in_base64_is_accepted_in_its_spellings_and_no_other() -> None:
    message = Message({}, options={"algorithm": "rsa-sha256"})
    signature = b64encode(RSA.sign(BODY, padding.PKCS1v15(), hashes.SHA256())).decode()
    for spelling in (signature, signature.rstrip("="), signature.replace("/", "_").replace("+", "-")):
        verify(replace(message, headers={"x-signature": spelling}), pem(RSA))
    for spelling in (signature + "\n", signature.replace("/", "_") + "!", signature + "=", signature[:-3]):
        with pytest.raises(NoMatchingSignature):
            verify(replace(message, headers={"x-signature": spelling}), pem(RSA))


@pytest.mark.parametrize(
    "options",
    [
        {"algorithm": "none"},
        {"encoding": "base32"},
        {"ecdsa_form": "x"},
        {"keys_url": "ftp://example.com"},
        {"key_id_header": "a b"},
        {"signed": "{secret}{body}"},
        {"format": "{algorithm}={signature}"},
        {"unknown": "x"},
    ],
)
def test_invalid_options_are_rejected(options: dict[str, str]) -> None:
    with pytest.raises(BadOptions):
        schemes.get("public_key", options)
