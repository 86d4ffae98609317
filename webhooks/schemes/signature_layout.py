"""Where a message has its signature, time and id, and what is signed: the options that several schemes share.

header            the header with the signature, or several, separated by commas, one of which is there: x-signature
signature_path    where the signature is instead: query:name, body:/json/pointer or form:name, or path|path
envelope          base64_json: the value is the base64 of a JSON object, with the members signature and kid    none
format            the text around it, see ``proof_format``                  {signature}
separator         between the elements of the format: one or two characters none
signed            the signed content, see ``signed_content``                {body}
id_header         the header with the message id; required if {id} is signed
timestamp_header  the header with the time, if it is not in the format
timestamp_path    where the time is instead: query:name, body:/json/pointer or form:name
timestamp_format  s, ms, us, ns (since 1970), s_or_ms (told apart by their size), iso, http (a date of RFC 9110)    s
type_header       the header with the event type                            none

A time is always checked. Where a member of the body is needed, the body is kept in memory, up to 32 MiB.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import orjson

from webhooks.schemes.proof_format import Fields, ProofFormat
from webhooks.schemes.sample_body import with_member
from webhooks.schemes.scheme import (
    BodyVerifier,
    KeptBody,
    SignedMessage,
    UnsignedBody,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.schemes.signed_content import SignedContent, listed_names
from webhooks.wire import base64_text
from webhooks.wire.bodies.content_coding import codings_of
from webhooks.wire.errors import BadOptions, MalformedHeader, MissingHeader, NoMatchingSignature
from webhooks.wire.header_values import is_name, lowered
from webhooks.wire.message_values import MessageValues, alternatives, is_in_body, is_path
from webhooks.wire.signing import timestamps

_FORM = "application/x-www-form-urlencoded"
_SAMPLE = "test"  # of a signed member that a test message does not have


@dataclass(frozen=True, slots=True)
class Proof:
    """The signature of a message, and what was read with it."""

    signatures: Sequence[str]
    timestamp: str = ""
    message_id: str = ""
    key_id: str = ""
    algorithm: str = ""


class ContentCheck(Protocol):
    """The check of one signed content, which is added in pieces."""

    def begin(self, proof: Proof, around: Callable[[str], tuple[bytes, bytes]], /) -> None:
        """Begin the content; ``around`` gives the bytes before and after the body for a secret."""

    def update(self, chunk: bytes, /) -> None:
        """Add the next piece of the body."""

    def finish(self) -> int | None:
        """Return the index of the secret that signed the content. May be called again after an exception."""


class SignatureLayout:
    """The options of one source. Raises BadOptions."""

    def __init__(
        self,
        *,
        header: str = "x-signature",
        signature_path: str = "",
        format: str = "{signature}",
        separator: str = "",
        envelope: str = "",
        signed: str = "{body}",
        id_header: str = "",
        timestamp_header: str = "",
        timestamp_path: str = "",
        timestamp_format: str = "s",
        type_header: str = "",
    ) -> None:
        self._headers = [name.strip(" ").lower() for name in header.split(",")]
        self._path, self._timestamp_path = signature_path, timestamp_path
        self.id_header, self.type_header = id_header.lower(), type_header.lower()
        self._timestamp_header, self._timestamp_format = timestamp_header.lower(), timestamp_format
        self._format, self._content = ProofFormat(format, separator), SignedContent(signed)
        self._is_enveloped = envelope == "base64_json"
        if envelope not in ("", "base64_json") or (envelope and signature_path):
            raise BadOptions("envelope must be base64_json, and the signature in a header")
        self._check()
        self.reads_body = self._content.reads_body or any(map(is_in_body, (signature_path, timestamp_path)))
        self.is_plain_digest = self._content.has_secret
        self.has_algorithm = "algorithm" in self._format.names
        self.signs_time = bool(timestamp_header or timestamp_path) or "timestamp" in self._format.names

    def _check(self) -> None:
        names = (*self._headers, self.id_header, self._timestamp_header, self.type_header)
        if not all(self._headers):
            raise BadOptions("header must not be empty")
        if not all(is_name(name) for name in names if name):
            raise BadOptions("the options that end in header must be header names")
        for path in (self._path, self._timestamp_path):
            if path and (not is_path(path) or any(it.startswith("header:") for it in alternatives(path))):
                raise BadOptions(
                    "signature_path and timestamp_path must be query:name, body:/json/pointer or form:name"
                )
        if self._timestamp_format not in timestamps.FORMATS:
            raise BadOptions(f"timestamp_format must be one of {', '.join(timestamps.FORMATS)}")
        if self._content.has_id and not (self.id_header or "id" in self._format.names):
            raise BadOptions("id_header is required when {id} is signed")
        if self._content.has_timestamp and not self._has_time():
            raise BadOptions("timestamp_header is required when {timestamp} is signed")
        if is_in_body(self._path) and self._content.has_body:
            raise BadOptions("signed must not contain {body} when the signature is in the body")

    @property
    def paths(self) -> list[str]:
        """Return the paths of everything that is read from a message."""
        return [*(path.removesuffix("?") for path in self._content.members), self._path, self._timestamp_path]

    def _has_time(self) -> bool:
        return bool(self._timestamp_header or self._timestamp_path) or "timestamp" in self._format.names

    def verifier(self, context: VerificationContext, check: ContentCheck) -> BodyVerifier:
        """Return the verifier of one message. Raises SignatureError."""
        if self.reads_body:
            if codings_of(context.headers.get("content-encoding", "")):  # what is not verified is not decompressed
                raise NoMatchingSignature("the proof is in the body, which is compressed; send it uncompressed")
            return _BufferedVerifier(self, context, check)
        self.begin(context, MessageValues(context.headers, _query(context)), check)
        return check if self._content.has_body else UnsignedBody(check.finish())

    def begin(self, context: VerificationContext, values: MessageValues, check: ContentCheck) -> None:
        """Read the proof, check its time, and begin the check of the content. Raises SignatureError."""
        proof = self._proof(context, values)
        for header in self._content.header_lists:
            if self._timestamp_header and self._timestamp_header not in listed_names(header, values):
                raise NoMatchingSignature(f"header:{header} does not list {self._timestamp_header}")

        def around(secret: str) -> tuple[bytes, bytes]:
            return self._content.around(context, values, proof.message_id, proof.timestamp, secret)

        check.begin(proof, around)
        if self.reads_body and self._content.has_body:
            check.update(values.body)

    def _proof(self, context: VerificationContext, values: MessageValues) -> Proof:
        fields = self._fields(context, values)
        times = sorted(set(fields.get("timestamp", ())))
        if len(times) > 1:
            raise MalformedHeader(self._place)
        timestamp = times[0] if times else self._timestamp(context, values)
        if self.signs_time:
            place = self._place if times else self._timestamp_header or self._timestamp_path
            seconds = timestamps.read(place, timestamp, self._timestamp_format)
            context.check_moment(seconds)
        message_id = _first(fields, "id") or (context.header(self.id_header) if self._content.has_id else "")
        return Proof(fields["signature"], timestamp, message_id, _first(fields, "key_id"), _first(fields, "algorithm"))

    @property
    def _place(self) -> str:
        return self._path or self._headers[0]

    def _fields(self, context: VerificationContext, values: MessageValues) -> Fields:
        if self._path:
            return self._format.read(self._path, _required(values, self._path))
        given = [context.headers[name] for name in self._headers if context.headers.get(name)]
        if not given:
            raise MissingHeader(self._headers[0])
        found: Fields = {}
        for value in given:
            read = _opened(self._headers[0], value) if self._is_enveloped else None
            for name, texts in (read or self._format.read(self._headers[0], value)).items():
                found.setdefault(name, []).extend(texts)
        return found

    def _timestamp(self, context: VerificationContext, values: MessageValues) -> str:
        if self._timestamp_header:
            return context.header(self._timestamp_header)
        if "timestamp" in self._format.names:
            raise MalformedHeader(self._place)
        return _required(values, self._timestamp_path) if self._timestamp_path else ""

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        """Return the message id, if a header has it."""
        return lowered(headers).get(self.id_header) or None

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        """Return the event type, if a header has it."""
        return lowered(headers).get(self.type_header) or None

    def sign(
        self, message: UnsignedMessage, sign: Callable[[Callable[[str], tuple[bytes, bytes]], bytes], Mapping[str, str]]
    ) -> SignedMessage:
        """Return a test message; ``sign`` gets ``around`` and the body, and returns the texts of the format."""
        time = timestamps.write(message.now, self._timestamp_format)
        named = {self.id_header: message.message_id, self._timestamp_header: time, self.type_header: message.event_type}
        headers = {**message.json_headers(), **{name: value for name, value in named.items() if name and value}}
        query: dict[str, str] = {}
        body = self._draft(message, time, headers, query)
        url = _with_query(message.url, query)
        context = VerificationContext(lowered(headers), url, message.now, tolerance=0)
        values = MessageValues(context.headers, urlsplit(url).query, body)

        def around(secret: str) -> tuple[bytes, bytes]:
            return self._content.around(context, values, message.message_id, time, secret)

        texts = {"timestamp": time, "id": message.message_id, **sign(around, body if self._content.has_body else b"")}
        proof = self._format.write(texts)
        if not self._path:
            headers[self._headers[0]] = proof
        elif is_in_body(self._path):
            body = with_member(body, alternatives(self._path)[0], proof)
        else:
            query[self._path.partition(":")[2]] = proof
        return SignedMessage(headers, body, urlencode(query))

    def _draft(self, message: UnsignedMessage, time: str, headers: dict[str, str], query: dict[str, str]) -> bytes:
        """Return the body of a test message with the members that are signed, and add headers and parameters."""
        body, samples = message.body, dict.fromkeys(path.removesuffix("?") for path in self._content.members)
        time_path = alternatives(self._timestamp_path)[0]
        paths = {alternatives(path)[0]: _SAMPLE for path in samples} | ({time_path: time} if time_path else {})
        is_form = "form_sorted" in self._content.names or any(
            path.startswith("form:") for path in (*paths, alternatives(self._path)[0])
        )
        if is_form:
            headers["Content-Type"] = _FORM
            body = b"" if body.lstrip()[:1] in (b"{", b"[") else body
        for listing in self._content.header_lists:
            headers[listing] = ",".join(sorted({listing, *filter(None, [self._timestamp_header])}))
        for path, value in paths.items():
            part, _, name = path.partition(":")
            if part == "header":
                headers.setdefault(name, value)
            elif part == "query":
                query.setdefault(name, value)
            elif is_form or part == "body":
                body = with_member(body, path, value, keep=path != time_path)
        return body


class _BufferedVerifier(KeptBody):
    """Keep the body, because the proof or a part of the signed content is in it."""

    def __init__(self, layout: SignatureLayout, context: VerificationContext, check: ContentCheck) -> None:
        super().__init__()
        self._layout, self._context, self._check = layout, context, check
        self._begun = False

    def finish(self) -> int | None:
        """Verify the body and return the index of the secret. Raises SignatureError."""
        if not self._begun:
            query = _query(self._context)
            values = MessageValues(self._context.headers, query, self.content, paths=self._layout.paths)
            self._layout.begin(self._context, values, self._check)
            self._begun = True
        return self._check.finish()


def _opened(header: str, value: str) -> Fields:
    """Return the signature and the key id in an envelope. Raises MalformedHeader."""
    try:
        document = orjson.loads(base64_text.decode(value))
        signature, key_id = document["signature"], document.get("kid", "")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise MalformedHeader(header) from None
    if not isinstance(signature, str) or not isinstance(key_id, str):
        raise MalformedHeader(header)
    return {"signature": [signature], "key_id": [key_id]}


def _query(context: VerificationContext) -> str:
    try:
        return urlsplit(context.url).query
    except ValueError:
        return ""


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url


def _first(fields: Fields, name: str) -> str:
    return fields.get(name, [""])[0]


def _required(values: MessageValues, path: str) -> str:
    value = values.find(path)
    if not value:
        raise NoMatchingSignature(f"the message has no {path}")
    return value
