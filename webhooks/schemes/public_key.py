"""Signatures with a key that only the sender has: the receiver knows its public key, or where it is published.

A secret is a public key as the sender shows it (``public_keys``); several are accepted during a rotation. With
`keys_url` the keys are fetched from there and cached, and fetched again when a message names an unknown one. Only the
options say where keys come from.

Options and their defaults:

algorithm      ed25519, ecdsa-sha1, ecdsa-sha256, ecdsa-sha384, rsa-sha1, rsa-sha256, rsa-sha512 (PKCS #1 v1.5),
               rsa-pss-sha256, rsa-pss-sha512                                     ed25519
encoding       hex, base64, base64url                                             base64
ecdsa_form     der, or raw: the two numbers side by side                          der
keys_url       where the sender publishes its keys: a JWK set, PEM, or a list of named keys in PEM     none
key_id_header  the header with the name of the key, if the format has no {key_id}  none

and those of ``signature_layout``. The body is hashed as it arrives, except for Ed25519, which signs the content itself.
"""

from collections.abc import Callable, Mapping, Sequence

from cryptography.hazmat.primitives.hashes import Hash

from webhooks.schemes import public_keys
from webhooks.schemes.public_keys import ALGORITHMS, Algorithm, Keys
from webhooks.schemes.scheme import (
    MAX_KEPT_BODY,
    BodyVerifier,
    Scheme,
    SignedMessage,
    UnsignedMessage,
    VerificationContext,
)
from webhooks.schemes.signature_algorithms import DECODINGS, ENCODINGS, SPELLINGS
from webhooks.schemes.signature_layout import Proof, SignatureLayout
from webhooks.wire.errors import BadOptions, BodyTooLarge, NoMatchingSignature, SenderKeyRequired
from webhooks.wire.header_values import is_name

MAX_CHECKS = 16  # pairs of key and signature tried for one message; each takes up to 0.1 ms

Around = Callable[[str], tuple[bytes, bytes]]


class PublicKeySignature(Scheme):
    """A signature that the sender's public key verifies. Raises BadOptions."""

    name = "public_key"
    label = "Public key signature: the sender's public key, or the option keys_url"

    def __init__(
        self,
        *,
        algorithm: str = "ed25519",
        encoding: str = "base64",
        ecdsa_form: str = "der",
        keys_url: str = "",
        key_id_header: str = "",
        **layout: str,
    ) -> None:
        self._layout = SignatureLayout(**layout)
        if algorithm not in ALGORITHMS or encoding not in DECODINGS:
            raise BadOptions(f"algorithm must be one of {', '.join(ALGORITHMS)}; encoding of {', '.join(DECODINGS)}")
        if ecdsa_form not in ("der", "raw"):
            raise BadOptions("ecdsa_form must be der or raw")
        if keys_url and not keys_url.startswith(("https://", "http://")):
            raise BadOptions("keys_url must begin with https://")
        if key_id_header and not is_name(key_id_header):
            raise BadOptions("key_id_header must be a header name")
        if self._layout.is_plain_digest or self._layout.has_algorithm:
            raise BadOptions("{secret} and {algorithm} are for the scheme hmac")
        self._algorithm, self._encoding, self._is_raw = ALGORITHMS[algorithm], encoding, ecdsa_form == "raw"
        self._key_id_header, self.key_url, self.needs_secret = key_id_header.lower(), keys_url, not keys_url

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        known = public_keys.read_secrets(secrets, self._algorithm) if secrets or not self.key_url else []
        key_id = context.header(self._key_id_header) if self._key_id_header else ""
        if self.key_url:
            context.fetch(self.key_url)  # begins the fetch before the body
        return self._layout.verifier(context, _Check(self, known, key_id, context))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        raise SenderKeyRequired("Only the sender has the private key that signs its messages.")

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        return self._layout.message_id(headers)

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        return self._layout.event_type(headers)

    @property
    def algorithm(self) -> Algorithm:
        """The configured algorithm."""
        return self._algorithm

    def decoded(self, signature: str) -> bytes | None:
        """Return the bytes of a signature in any spelling of its encoding; None for any other text."""
        try:
            raw = DECODINGS[self._encoding](signature)
        except ValueError:
            return None
        spelling = SPELLINGS[self._encoding]
        if not raw or spelling(ENCODINGS[self._encoding](raw)) != spelling(signature):
            return None
        return public_keys.raw_to_der(raw) if self._is_raw else raw


class _Check:
    """The digest of the content, or the content itself, and the keys that may have signed it."""

    def __init__(
        self, scheme: PublicKeySignature, known: Sequence[Keys], key_id: str, context: VerificationContext
    ) -> None:
        self._scheme, self._known, self._key_id, self._context = scheme, known, key_id, context
        self._signatures: list[bytes] = []
        digest = scheme.algorithm.digest
        self._hash = None if digest is None else Hash(digest)
        self._chunks: list[bytes] = []
        self._size, self._tail = 0, b""
        self._content: bytes | None = None

    @property
    def keeps_body(self) -> bool:
        """Return whether the body is kept in memory."""
        return self._hash is None

    def begin(self, proof: Proof, around: Around) -> None:
        """Begin the content."""
        decoded = [self._scheme.decoded(signature) for signature in proof.signatures]
        self._signatures = [signature for signature in decoded if signature is not None]
        self._key_id = proof.key_id or self._key_id
        head, self._tail = around("")
        self.update(head)

    def update(self, chunk: bytes, /) -> None:
        """Add the next piece. Raises BodyTooLarge."""
        if self._hash is not None:
            self._hash.update(chunk)
            return
        self._size += len(chunk)
        if self._size > MAX_KEPT_BODY:
            raise BodyTooLarge
        self._chunks.append(chunk)

    def finish(self) -> int | None:
        """Return the index of the secret with the key that signed, None for a published key.

        Raises NoMatchingSignature, and what fetching keys raises; then it may be called again.
        """
        content = self._finished()
        index = self._match(self._known, content)
        if index is not None:
            return index
        url = self._scheme.key_url
        if url and self._signatures:
            for newer in (False, True):
                published = public_keys.read_published(self._context.fetch(url, newer=newer))
                if self._match([published], content) is not None:
                    return None
        raise NoMatchingSignature

    def _finished(self) -> bytes:
        if self._content is None:
            self.update(self._tail)
            self._content = b"".join(self._chunks) if self._hash is None else self._hash.finalize()
        return self._content

    def _match(self, key_sets: Sequence[Keys], content: bytes) -> int | None:
        """Return the index of the first set with a key that signed; keys with another name are not tried."""
        pairs = [
            (index, key, signature)
            for index, keys in enumerate(key_sets)
            for key in keys
            if not (self._key_id and key.key_id and key.key_id != self._key_id)
            for signature in self._signatures
        ]
        algorithm = self._scheme.algorithm
        return next(
            (index for index, key, signature in pairs[:MAX_CHECKS] if key.verifies(algorithm, signature, content)), None
        )
