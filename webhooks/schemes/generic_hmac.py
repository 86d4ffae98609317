"""HMAC as most providers use it: the options name the header, the digest, its encoding and the signed content.

Options and their defaults:

header            the header with the signature                             x-signature
algorithm         sha1, sha256, sha384, sha512                              sha256
encoding          hex, base64, base64url                                    hex
prefix            the text before the signature, e.g. "sha256="             none
signed            the signed content: {body} once, and {id} {timestamp} {url} {method}       {body}
secret_encoding   text, hex, base64                                         text
id_header         the header with the message id; required if {id} is signed
timestamp_header  the header with the Unix time; required if {timestamp} is signed, and checked
timestamp_unit    s, ms                                                     s
type_header       the header with the event type                            none
"""

import binascii
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.schemes.signed_content import SignedContent
from webhooks.wire import base64_text
from webhooks.wire.errors import BadOptions, BadSecret
from webhooks.wire.header_values import is_name, lowered
from webhooks.wire.signing.hmac_signatures import HmacVerifier, base64_digest, hex_digest, keys_from_text

_ALGORITHMS = frozenset({"sha1", "sha256", "sha384", "sha512"})
_ENCODINGS: dict[str, Callable[[hmac.HMAC], str]] = {
    "hex": hex_digest,
    "base64": base64_digest,
    "base64url": lambda mac: urlsafe_b64encode(mac.digest()).decode().rstrip("="),
}
_SECRETS: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda text: text,
    "hex": binascii.unhexlify,
    "base64": lambda text: base64_text.decode(text.decode("latin-1")),
}


class GenericHmac(Scheme):
    """An HMAC that is described by options. Raises BadOptions."""

    name = "hmac"
    label = "Other HMAC signature: described by the options"

    def __init__(
        self,
        *,
        header: str = "x-signature",
        algorithm: str = "sha256",
        encoding: str = "hex",
        prefix: str = "",
        signed: str = "{body}",
        secret_encoding: str = "text",  # noqa: S107 (a word, not a secret)
        id_header: str = "",
        timestamp_header: str = "",
        timestamp_unit: str = "s",
        type_header: str = "",
    ) -> None:
        self._header, self._type_header = header.lower(), type_header.lower()
        self._id_header, self._timestamp_header = id_header.lower(), timestamp_header.lower()
        if not self._header:
            raise BadOptions("header must not be empty")
        if not all(is_name(name) for name in (header, id_header, timestamp_header, type_header) if name):
            raise BadOptions("the options that end in header must be header names")
        if algorithm not in _ALGORITHMS:
            raise BadOptions("algorithm must be sha1, sha256, sha384 or sha512")
        if encoding not in _ENCODINGS or secret_encoding not in _SECRETS:
            raise BadOptions("encoding must be hex, base64 or base64url; secret_encoding text, hex or base64")
        self._algorithm, self._decode = algorithm, _SECRETS[secret_encoding]
        encode = _ENCODINGS[encoding]
        self._encode: Callable[[hmac.HMAC], str] = lambda mac: prefix + encode(mac)
        self._content = SignedContent(signed, self._id_header, self._timestamp_header, timestamp_unit)

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        keys = self._keys(secrets)
        signature = context.header(self._header)
        head, tail = self._content.around(context)
        return HmacVerifier(keys, [signature], self._encode, digest=self._algorithm, head=head, tail=tail)

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        [key] = self._keys([secret])
        headers = self._content.headers(message)
        if self._type_header and message.event_type:
            headers[self._type_header] = message.event_type
        head, tail = self._content.around(VerificationContext(headers, message.url, message.now, tolerance=0))
        signature = self._encode(hmac.new(key, head + message.body + tail, self._algorithm))
        return SignedMessage({**message.json_headers(), **headers, self._header: signature}, message.body)

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        return lowered(headers).get(self._id_header) or None

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        return lowered(headers).get(self._type_header) or None

    def _keys(self, secrets: Sequence[str]) -> list[bytes]:
        try:
            return [self._decode(key) for key in keys_from_text(secrets)]
        except ValueError as error:
            raise BadSecret("must be encoded as secret_encoding says") from error
