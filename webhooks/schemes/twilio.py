"""Twilio: the URL and the fields of a form are signed; of any other body, a digest in the URL.

https://www.twilio.com/docs/usage/webhooks/webhooks-security. The URL is checked with and without the port, since Twilio
is not consistent about it. A body that is not a form and has no digest in the URL is not signed, and rejected.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import SplitResult, parse_qs, urlsplit

from webhooks.schemes.scheme import (
    BodyVerifier,
    KeptBody,
    Scheme,
    SignedMessage,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.wire.bodies.form_fields import MAX_FIELDS, urlencoded_fields
from webhooks.wire.errors import MalformedHeader, NoMatchingSignature
from webhooks.wire.signing.hmac_signatures import (
    base64_digest,
    constant_time_equal,
    first_match,
    hmac_signature,
    keys_from_text,
)

_FORM = "application/x-www-form-urlencoded"
_DIGEST = "bodySHA256"
_SETTINGS = "x-twilio-webhooks-signature-settings"
_ALGORITHMS = {"": "sha1", "hmac_sha1": "sha1", "hmac_sha256": "sha256"}
_PORTS = {"https": 443, "http": 80}


class Twilio(Scheme):
    """`X-Twilio-Signature`: HMAC-SHA1 in base64; HMAC-SHA256 if the settings header says so."""

    name = "twilio"
    label = "Twilio: the auth token; signs the URL"
    id_header = "i-twilio-idempotency-token"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys, signature = keys_from_text(secrets), context.header("x-twilio-signature")
        algorithm = _algorithm(context.headers.get(_SETTINGS, ""))
        context.called_url()
        try:
            parts = urlsplit(context.url)
            urls = _spellings(context.url, parts)
            digests = parse_qs(parts.query, max_num_fields=MAX_FIELDS).get(_DIGEST, [])
        except ValueError:
            raise NoMatchingSignature("the URL does not parse") from None
        declared = context.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared == _FORM or not (declared or digests):
            return FormVerifier(keys, signature, algorithm, urls)
        return DigestVerifier(keys, signature, algorithm, urls, digests)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        """Sign as Twilio does for JSON: the URL, to which the digest of the body is added."""
        query = f"{_DIGEST}={hashlib.sha256(message.body).hexdigest()}"
        url = message.url + ("&" if "?" in message.url else "?") + query
        signature = hmac_signature(secret, url.encode(), base64_digest, "sha1")
        headers = message.json_headers(X_Twilio_Signature=signature, I_Twilio_Idempotency_Token=message.message_id)
        return SignedMessage(headers, message.body, query)


class FormVerifier(KeptBody):
    """The signature covers the URL, then the name and value of every field, sorted and without repetitions."""

    def __init__(self, keys: Sequence[bytes], signature: str, algorithm: str, urls: Sequence[str]) -> None:
        super().__init__()
        self._keys, self._signature, self._algorithm, self._urls = keys, signature, algorithm, urls

    def finish(self) -> int:
        """Verify the fields and return the index of the key. Raises NoMatchingSignature."""
        signed = _fields(self.content)
        return _match(self._keys, self._signature, self._algorithm, self._urls, signed)


class DigestVerifier:
    """The signature covers the URL, which contains the SHA-256 of the body. An empty body needs no digest."""

    def __init__(
        self, keys: Sequence[bytes], signature: str, algorithm: str, urls: Sequence[str], digests: Sequence[str]
    ) -> None:
        self._key_index = _match(keys, signature, algorithm, urls, b"")
        self._digests = digests or [hashlib.sha256().hexdigest()]
        self._body = hashlib.sha256()

    def update(self, chunk: bytes, /) -> None:
        self._body.update(chunk)

    def finish(self) -> int:
        """Compare the digests and return the index of the key. Raises NoMatchingSignature."""
        if not constant_time_equal(self._body.hexdigest(), self._digests[0]):
            raise NoMatchingSignature("the URL has another digest than the body")
        return self._key_index


def _algorithm(settings: str) -> str:
    """Return the digest that the settings header names (`key=...,algorithm=HMAC_SHA256`); SHA-1 by default."""
    items = (item.partition("=") for item in settings.split(","))
    named = next((value.strip().lower() for name, _, value in items if name.strip() == "algorithm"), "")
    if named not in _ALGORITHMS:
        raise MalformedHeader(_SETTINGS)
    return _ALGORITHMS[named]


def _spellings(url: str, parts: SplitResult) -> list[str]:
    """Return the URL unchanged, and again with the default port added or the port removed."""
    host, port = parts.netloc, parts.port
    if port is not None:
        other = host.rpartition(":")[0]
    elif parts.scheme in _PORTS:
        other = f"{host}:{_PORTS[parts.scheme]}"
    else:
        return [url]
    return [url, url.replace(f"//{host}", f"//{other}", 1)]


def _fields(form: bytes) -> bytes:
    """Return the fields as they are signed. Raises NoMatchingSignature if the form does not parse."""
    try:
        found = urlencoded_fields(form)
    except ValueError:
        raise NoMatchingSignature("the form does not parse") from None
    return b"".join(name + value for name, value in sorted(set(found)))


def _match(keys: Sequence[bytes], signature: str, algorithm: str, urls: Iterable[str], signed: bytes) -> int:
    contents = [url.encode("utf-8", "surrogatepass") + signed for url in urls]
    return first_match(
        [
            index
            for index, key in enumerate(keys)
            for content in contents
            if constant_time_equal(base64_digest(hmac.new(key, content, algorithm)), signature)
        ]
    )
