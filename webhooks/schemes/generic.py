"""HMAC as most providers use it: which header, which digest, how it is spelled and what is signed are options.

header            the header that holds the signature                       x-signature
algorithm         sha1, sha256, sha384, sha512                              sha256
encoding          hex, base64                                               hex
prefix            what stands before the signature, e.g. "sha256="
signed            what is signed: {body} once, {id} {timestamp} {url}       {body}
secret_encoding   text, hex, base64                                         text
id_header         needed if {id} is signed; the id to recognise repeats by
timestamp_header  needed if {timestamp} is signed: Unix seconds, checked against the tolerance
type_header       says what the message is about
"""

import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from webhooks.protocol import base64text
from webhooks.protocol.errors import BadOptions, BadSecret, MalformedHeader
from webhooks.protocol.fields import lowered
from webhooks.protocol.mac import MacCheck, in_base64, lower_hex, text_keys
from webhooks.schemes.scheme import Call, Check, Scheme

_ALGORITHMS = frozenset({"sha1", "sha256", "sha384", "sha512"})
_SPELLINGS: dict[str, Callable[[hmac.HMAC], str]] = {"hex": lower_hex, "base64": in_base64}
_SECRETS: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda text: text,
    "hex": binascii.unhexlify,
    "base64": lambda text: base64text.decode(text.decode("latin-1")),
}
_PARTS = re.compile(r"(\{(?:id|timestamp|url|body)\})")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]*")  # RFC 9110 section 5.6.2, in lower case


class Generic(Scheme):
    """An HMAC of a kind that its options describe. Raises BadOptions."""

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
        type_header: str = "",
    ) -> None:
        self._header, self._id_header = header.lower(), id_header.lower()
        self._timestamp_header, self._type_header = timestamp_header.lower(), type_header.lower()
        names = (self._header, self._id_header, self._timestamp_header, self._type_header)
        if not self._header or not all(_HEADER.fullmatch(name) for name in names):
            raise BadOptions("a header name")
        if algorithm not in _ALGORITHMS:
            raise BadOptions("algorithm")
        if encoding not in _SPELLINGS or secret_encoding not in _SECRETS:
            raise BadOptions("encoding")
        self._algorithm, self._decode = algorithm, _SECRETS[secret_encoding]
        spell = _SPELLINGS[encoding]
        self._spell: Callable[[hmac.HMAC], str] = lambda mac: prefix + spell(mac)
        self._head, self._tail = self._template(signed)

    def check(self, secrets: Sequence[str], call: Call) -> Check:
        try:
            keys = [self._decode(key) for key in text_keys(secrets)]
        except ValueError as error:
            raise BadSecret("it is not encoded as the options say") from error
        given = call.header(self._header)
        head, tail = (self._filled(parts, call) for parts in (self._head, self._tail))
        return MacCheck(keys, [given], self._spell, digest=self._algorithm, head=head, tail=tail)

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        return lowered(headers).get(self._id_header) or None

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        return lowered(headers).get(self._type_header) or None

    def _template(self, signed: str) -> tuple[list[str], list[str]]:
        """The parts before the body and behind it."""
        parts = _PARTS.split(signed)
        if parts.count("{body}") != 1:
            raise BadOptions("signed has to name the body once")
        if "{id}" in parts and not self._id_header:
            raise BadOptions("id_header")
        if "{timestamp}" in parts and not self._timestamp_header:
            raise BadOptions("timestamp_header")
        if any(here == "{id}" and not behind for here, behind in pairwise(parts)):
            raise BadOptions("signed has to separate the id from what follows")
        middle = parts.index("{body}")
        return parts[:middle], parts[middle + 1 :]

    def _filled(self, parts: Sequence[str], call: Call) -> bytes:
        return b"".join(self._part(part, behind, call) for part, behind in zip(parts, [*parts[1:], ""], strict=True))

    def _part(self, part: str, behind: str, call: Call) -> bytes:
        if part == "{url}":
            return call.called_url()
        if part == "{timestamp}":
            timestamp = call.header(self._timestamp_header)
            call.fresh(self._timestamp_header, timestamp)
            return timestamp.encode()
        if part == "{id}":
            message_id = call.header(self._id_header)
            # An id that holds the separator could be cut elsewhere, and the rest be taken for time or body.
            if not message_id.isascii() or (behind and behind in message_id):
                raise MalformedHeader(self._id_header)
            return message_id.encode()
        return part.encode("utf-8", "surrogatepass")
