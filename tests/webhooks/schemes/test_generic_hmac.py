import gzip
import hmac
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.schemes.scheme import MAX_KEPT_BODY
from webhooks.wire.errors import (
    BadOptions,
    BadSecret,
    BodyTooLarge,
    MalformedHeader,
    MissingHeader,
    NoMatchingSignature,
)

FULL = {
    "header": "X-Acme-Signature",
    "algorithm": "sha512",
    "encoding": "base64",
    "format": "v9={signature}",
    "signed": "{id}.{timestamp}.{url}|{body}#",
    "secret_encoding": "hex",
    "id_header": "X-Acme-Id",
    "timestamp_header": "X-Acme-Time",
    "type_header": "X-Acme-Type",
}


class TestGeneric(SchemeBattery):
    scheme = "hmac"
    pads_freely = True
    signature_headers = ("X-Signature",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"X-Signature": hmac.digest(secret.encode(), body, "sha256").hex()}, body)


class TestGenericWithEverything(SchemeBattery):
    scheme = "hmac"
    pads_freely = True
    secret, other = "00ff", "0100"
    signs_time = True
    signature_headers = ("X-Acme-Signature", "X-Acme-Id", "X-Acme-Time")

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        message = Message({}, body, options=FULL)
        content = f"m1.{now}.{message.url}|".encode() + body + b"#"
        signature = b64encode(hmac.digest(bytes.fromhex(secret), content, "sha512")).decode()
        return replace(
            message,
            headers={"X-Acme-Signature": f"v9={signature}", "X-Acme-Id": "m1", "X-Acme-Time": str(now)},
        )

    def test_message_id_and_event_type_are_read_from_the_headers(self) -> None:
        scheme = schemes.get("hmac", FULL)
        assert scheme.message_id({"x-acme-id": "m1"}) == "m1"
        assert scheme.event_type({"x-acme-type": "order.paid"}) == "order.paid"
        assert schemes.get("hmac").message_id({"x-acme-id": "m1"}) is None

    def test_verify_rejects_an_id_that_contains_the_separator(self) -> None:
        with pytest.raises(MalformedHeader):
            self.verify(self.signed(self.secret).with_header("X-Acme-Id", "m1.2"), self.secret)

    @pytest.mark.parametrize("secret", ["0", "zz", "é"])
    def test_secret_in_another_encoding_is_rejected(self, secret: str) -> None:
        with pytest.raises(BadSecret):
            self.verify(self.signed(self.secret), secret)


class TestGenericLikeHubSpot(SchemeBattery):
    """Check HubSpot's version 3, which signs method, URL, body and milliseconds in this order."""

    scheme = "hmac"
    pads_freely = True
    signs_time = True
    signature_headers = ("X-HubSpot-Signature-v3", "X-HubSpot-Request-Timestamp")
    options = {
        "header": "X-HubSpot-Signature-v3",
        "encoding": "base64",
        "signed": "{method}{url}{body}{timestamp}",
        "timestamp_header": "X-HubSpot-Request-Timestamp",
        "timestamp_format": "ms",
    }

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        message = Message({}, body, options=self.options)
        content = b"POST" + message.url.encode() + body + b"%d000" % now
        signature = b64encode(hmac.digest(secret.encode(), content, "sha256")).decode()
        return replace(message, headers=dict(zip(self.signature_headers, (signature, f"{now}000"), strict=True)))

    def test_verify_rejects_another_method(self) -> None:
        message = self.signed(self.secret)
        call = {"url": message.url, "now": NOW, "options": self.options}
        schemes.verify("hmac", [self.secret], message.headers, BODY, method="POST", **call)
        with pytest.raises(NoMatchingSignature):
            schemes.verify("hmac", [self.secret], message.headers, BODY, method="PUT", **call)

    @pytest.mark.parametrize("time", ["1614265330", "16142653300x0", "1614265330.00", "-1614265330000", "000", "x"])
    def test_verify_rejects_milliseconds_that_are_not_digits(self, time: str) -> None:
        self.rejects(self.signed(self.secret).with_header("X-HubSpot-Request-Timestamp", time))


class TestGenericInBase64Url(SchemeBattery):
    scheme = "hmac"
    pads_freely = True
    signature_headers = ("X-Signature",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        signature = urlsafe_b64encode(hmac.digest(secret.encode(), body, "sha256")).decode().rstrip("=")
        return Message({"X-Signature": signature}, body, options={"encoding": "base64url"})


def test_verify_decodes_a_secret_in_base64() -> None:
    headers = {"x-signature": hmac.digest(b"\x00\xff", BODY, "sha256").hex()}
    schemes.verify("hmac", ["AP8="], headers, BODY, now=NOW, options={"secret_encoding": "base64"})
    with pytest.raises(BadSecret):
        schemes.verify("hmac", ["AP8"], headers, BODY, now=NOW, options={"secret_encoding": "base64"})


@pytest.mark.parametrize(
    "options",
    [
        {"header": ""},
        {"header": "x y"},
        {"algorithm": "md4"},
        {"algorithm": "sha1,sha256"},
        {"algorithm": "SHA256"},
        {"encoding": "base32"},
        {"secret_encoding": "rot13"},
        {"signed": ""},
        {"signed": "{timestamp}."},
        {"signed": "{body}{body}"},
        {"signed": "{id}.{body}"},
        {"signed": "{timestamp}.{body}"},
        {"signed": "{id}{body}", "id_header": "x-id"},
        {"signed": "{body}.{id}", "id_header": "x-id"},
        {"unknown": "x"},
        {"timestamp_format": "ps"},
        {"id_header": "x y"},
        {"header": None},
    ],
)
def test_invalid_options_are_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptions):
        schemes.get("hmac", options)


@pytest.mark.parametrize(
    "options",
    [
        {"format": "x"},
        {"separator": "ab"},
        {"signature_path": "header:x"},
        {"signature_path": "body:/s"},
        {"timestamp_path": "there"},
        {"envelope": "xml"},
        {"envelope": "base64_json", "signature_path": "form:s", "signed": "{form:a}"},
        {"signed": "{cookie}{body}"},
        {"signed": "{body:a}"},
        {"signed": "{header}{body}"},
        {"signed": "{url}"},
        {"signed": "{secret}"},
    ],
)
def test_invalid_layouts_are_rejected(options: dict[str, Any]) -> None:
    with pytest.raises(BadOptions):
        schemes.get("hmac", options)


def test_body_that_has_to_be_kept_in_memory_is_limited() -> None:
    options = {"signature_path": "body:/s", "signed": "{body:/a}"}
    verifier = schemes.get("hmac", options).begin_verification(["s"], {}, now=NOW)
    verifier.update(b"x" * MAX_KEPT_BODY)
    with pytest.raises(BodyTooLarge):
        verifier.update(b"x")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"s":"x"}', b'{"s":5,"a":"1"}', b'{"a":"1"}', b"[1]", b"\xff"])
def test_body_without_what_is_signed_is_rejected(body: bytes) -> None:
    with pytest.raises(NoMatchingSignature):
        schemes.verify("hmac", ["s"], {}, body, now=NOW, options={"signature_path": "body:/s", "signed": "{body:/a}"})


def test_compressed_body_is_verified_as_it_was_sent() -> None:
    packed = gzip.compress(BODY)
    headers = {"x-signature": hmac.digest(b"s", packed, "sha256").hex(), "content-encoding": "gzip"}
    schemes.verify("hmac", ["s"], headers, packed, now=NOW)
    with pytest.raises(NoMatchingSignature):
        schemes.verify("hmac", ["s"], headers, BODY, now=NOW)


def test_proof_in_a_compressed_body_is_refused_before_the_body_is_read() -> None:
    layout = schemes.get("hmac", {"signature_path": "body:/s", "signed": "{body:/a}"})
    with pytest.raises(NoMatchingSignature, match="compressed; send it uncompressed"):
        layout.begin_verification(["s"], {"Content-Encoding": "gzip"}, now=NOW)
    layout.begin_verification(["s"], {"Content-Encoding": "identity"}, now=NOW)


def test_member_that_may_be_missing_is_empty_and_others_are_not() -> None:
    signature = hmac.digest(b"s", b":1", "sha256").hex()
    body = b'{"s":"%b","b":1}' % signature.encode()
    options = {"signature_path": "body:/s", "signed": "{body:/a?}:{body:/b}"}
    schemes.verify("hmac", ["s"], {}, body, now=NOW, options=options)
    with pytest.raises(NoMatchingSignature):
        schemes.verify("hmac", ["s"], {}, body, now=NOW, options={**options, "signed": "{body:/a}:{body:/b}"})


def test_parts_of_the_request_are_signed_as_the_sender_made_it() -> None:
    url = "https://shop.example.com:8443/in/src_1/?b=2&a=1"
    content = b"shop.example.com:8443|/in/src_1/|b=2&a=1|1|n|" + BODY
    headers = {"x-signature": hmac.digest(b"s", content, "sha256").hex(), "x-nonce": "n"}
    options = {"signed": "{host}|{path}|{query}|{query:a}|{header:X-Nonce}|{body}"}
    schemes.verify("hmac", ["s"], headers, BODY, url=url, now=NOW, options=options)
    with pytest.raises(NoMatchingSignature):
        schemes.verify("hmac", ["s"], headers, BODY, url=url.replace("b=2", "b=3"), now=NOW, options=options)


@pytest.mark.parametrize("value", ["", "!", "e30=", b64encode(b'{"signature":5}').decode(), b64encode(b"[]").decode()])
def test_envelope_without_a_signature_is_malformed(value: str) -> None:
    with pytest.raises((MalformedHeader, MissingHeader)):
        schemes.verify("hmac", ["s"], {"x-signature": value}, b"", now=NOW, options={"envelope": "base64_json"})
