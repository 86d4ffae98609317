"""Twilio: the URL and the fields of the form are signed; of any other body only a digest in the URL.

https://www.twilio.com/docs/usage/webhooks/webhooks-security. The URL counts as Twilio called it; with and
without the port, since Twilio itself does not do the one or the other reliably. A body that neither is a form
nor has its digest in the URL is not signed at all, and refused.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.wire.errors import BodyTooLarge, MalformedHeader, NoMatchingSignature
from webhooks.wire.signing.hmac_signatures import base64_digest, constant_time_equal, hmac_signature, keys_from_text

_FORM = "application/x-www-form-urlencoded"
_DIGEST = "bodySHA256"
_SETTINGS = "x-twilio-webhooks-signature-settings"
_ALGORITHMS = {"": "sha1", "hmac_sha1": "sha1", "hmac_sha256": "sha256"}
_LARGEST_FORM = 1024 * 1024  # bytes; a form has to be held, for its fields are signed in another order
_MOST_FIELDS = 1000
_PORTS = {"https": 443, "http": 80}


class Twilio(Scheme):
    """`X-Twilio-Signature`: HMAC-SHA1 in base64, HMAC-SHA256 if the settings header says so."""

    id_header = "i-twilio-idempotency-token"

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys, given = keys_from_text(secrets), context.header("x-twilio-signature")
        algorithm = _algorithm(context.headers.get(_SETTINGS, ""))
        context.called_url()
        try:
            parts = urlsplit(context.url)
            urls = _spellings(context.url, parts)
            digests = parse_qs(parts.query, max_num_fields=_MOST_FIELDS).get(_DIGEST, [])
        except ValueError:
            raise NoMatchingSignature("the URL cannot be read") from None
        declared = context.headers.get("content-type", "").partition(";")[0].strip().lower()
        if declared == _FORM or not (declared or digests):
            return FormCheck(keys, given, algorithm, urls)
        return DigestCheck(keys, given, algorithm, urls, digests)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        """As Twilio sends JSON: the digest of the body goes into the URL, and the URL is signed."""
        query = f"{_DIGEST}={hashlib.sha256(message.body).hexdigest()}"
        url = message.url + ("&" if "?" in message.url else "?") + query
        signature = hmac_signature(secret, url.encode(), base64_digest, "sha1")
        headers = message.json_headers(X_Twilio_Signature=signature, I_Twilio_Idempotency_Token=message.message_id)
        return SignedMessage(headers, message.body, query)


class FormCheck:
    """The signature covers the URL, then every field's name and value, by name, without repetitions."""

    def __init__(self, keys: Sequence[bytes], given: str, algorithm: str, urls: Sequence[str]) -> None:
        self._keys, self._given, self._algorithm, self._urls = keys, given, algorithm, urls
        self._body = bytearray()

    def update(self, chunk: bytes, /) -> None:
        """Hold the piece. Raises BodyTooLarge over 1 MiB."""
        if len(self._body) + len(chunk) > _LARGEST_FORM:
            raise BodyTooLarge
        self._body += chunk

    def finish(self) -> int:
        """The form is complete. Raises NoMatch."""
        signed = _fields(bytes(self._body))
        return _match(self._keys, self._given, self._algorithm, self._urls, signed)


class DigestCheck:
    """The signature covers the URL, which names the SHA-256 of the body. An empty body needs no digest."""

    def __init__(
        self, keys: Sequence[bytes], given: str, algorithm: str, urls: Sequence[str], digests: Sequence[str]
    ) -> None:
        self._place = _match(keys, given, algorithm, urls, b"")
        self._digests = digests or [hashlib.sha256().hexdigest()]
        self._body = hashlib.sha256()

    def update(self, chunk: bytes, /) -> None:
        self._body.update(chunk)

    def finish(self) -> int:
        """The body is complete. Raises NoMatch."""
        if not constant_time_equal(self._body.hexdigest(), self._digests[0]):
            raise NoMatchingSignature("the body is not the one whose digest the URL names")
        return self._place


def _algorithm(settings: str) -> str:
    """The digest the settings header names: `key=...,algorithm=HMAC_SHA256`. Without one it is SHA-1, as ever."""
    items = (item.partition("=") for item in settings.split(","))
    named = next((value.strip().lower() for name, _, value in items if name.strip() == "algorithm"), "")
    if named not in _ALGORITHMS:
        raise MalformedHeader(_SETTINGS)
    return _ALGORITHMS[named]


def _spellings(url: str, parts: SplitResult) -> list[str]:
    """The URL as given, and the other way with respect to the port."""
    host, port = parts.netloc, parts.port
    if port is not None:
        other = host.rpartition(":")[0]
    elif parts.scheme in _PORTS:
        other = f"{host}:{_PORTS[parts.scheme]}"
    else:
        return [url]
    return [url, url.replace(f"//{host}", f"//{other}", 1)]


def _fields(form: bytes) -> bytes:
    """The fields as they are signed. Raises NoMatch for a form that is none."""
    try:
        found = parse_qsl(form.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise NoMatchingSignature("the form cannot be read") from None
    return "".join(name + value for name, value in sorted(set(found))).encode()


def _match(keys: Sequence[bytes], given: str, algorithm: str, urls: Iterable[str], signed: bytes) -> int:
    contents = [url.encode("utf-8", "surrogatepass") + signed for url in urls]
    fitting = [
        place
        for place, key in enumerate(keys)
        for content in contents
        if constant_time_equal(base64_digest(hmac.new(key, content, algorithm)), given)
    ]
    if not fitting:
        raise NoMatchingSignature
    return fitting[0]
