"""HMAC as most providers use it: the options name the digest, its encoding, the key, and where everything is.

Options and their defaults:

algorithm        md5, sha1, sha256, sha384, sha512; several, separated by commas, need {algorithm} in the format: sha256
encoding         hex, hex_upper, base64, base64url, base64_of_hex: hex; hex in either case, and base64 in either
                 alphabet and with or without padding, are accepted
secret_encoding  from a secret to the key: text, hex, base64, nfkd, or hashed by sha1, sha256, sha256_hex, md5_hex: text
secret_prefix    text at the start of a secret that is not part of the key: none
secret_suffix    text that is added to the secret: none

and those of ``signature_layout``. With {secret} in the signed content the signature is a plain digest of the content.
"""

from collections.abc import Callable, Mapping, Sequence

from webhooks.schemes.scheme import BodyVerifier, Scheme, SignedMessage, UnsignedMessage, VerificationContext
from webhooks.schemes.signature_algorithms import DIGESTS, ENCODINGS, SECRETS, SPELLINGS, Digest, new_digest
from webhooks.schemes.signature_layout import Proof, SignatureLayout
from webhooks.wire.errors import BadOptions, BadSecret, MalformedHeader
from webhooks.wire.signing.hmac_signatures import constant_time_equal, first_match, keys_from_text

Around = Callable[[str], tuple[bytes, bytes]]


class GenericHmac(Scheme):
    """An HMAC, or a plain digest with the secret, that is described by options. Raises BadOptions."""

    name = "hmac"
    label = "Other HMAC signature: described by the options"

    def __init__(
        self,
        *,
        algorithm: str = "sha256",
        encoding: str = "hex",
        secret_encoding: str = "text",  # noqa: S107 (a word, not a secret)
        secret_prefix: str = "",
        secret_suffix: str = "",
        **layout: str,
    ) -> None:
        self._layout = SignatureLayout(**layout)
        self._algorithms = algorithm.split(",")
        if not DIGESTS.issuperset(self._algorithms):
            raise BadOptions(f"algorithm must be one of {', '.join(sorted(DIGESTS))}")
        if len(self._algorithms) > 1 and not self._layout.has_algorithm:
            raise BadOptions("several algorithms need {algorithm} in format")
        if encoding not in ENCODINGS or secret_encoding not in SECRETS:
            raise BadOptions(
                f"encoding must be one of {', '.join(ENCODINGS)}; secret_encoding one of {', '.join(SECRETS)}"
            )
        self._encode, self._decode = ENCODINGS[encoding], SECRETS[secret_encoding]
        self._spelling = SPELLINGS[encoding]
        self._prefix, self._suffix = secret_prefix, secret_suffix

    def verifier(self, secrets: Sequence[str], context: VerificationContext) -> BodyVerifier:
        return self._layout.verifier(context, self._check(secrets))

    def sign(self, secret: str, message: UnsignedMessage) -> SignedMessage:
        check = self._check([secret])

        def sign(around: Around, body: bytes) -> Mapping[str, str]:
            check.begin(Proof([], algorithm=self._algorithms[0] if self._layout.has_algorithm else ""), around)
            check.update(body)
            return {"signature": check.expected()[0], "algorithm": self._algorithms[0]}

        return self._layout.sign(message, sign)

    def message_id(self, headers: Mapping[str, str]) -> str | None:
        return self._layout.message_id(headers)

    def event_type(self, headers: Mapping[str, str]) -> str | None:
        return self._layout.event_type(headers)

    def _check(self, secrets: Sequence[str]) -> "_HmacCheck":
        is_plain = self._layout.is_plain_digest
        return _HmacCheck(self._keys(secrets), secrets, self._algorithms, self._encode, self._spelling, is_plain)

    def _keys(self, secrets: Sequence[str]) -> list[bytes]:
        keys_from_text(secrets)
        texts = [secret.removeprefix(self._prefix) + self._suffix for secret in secrets]
        try:
            return [self._decode(key) for key in keys_from_text(texts)]
        except ValueError as error:
            raise BadSecret("must be encoded as secret_encoding says") from error


class _HmacCheck:
    """The digest of the content with each secret, compared as text in constant time."""

    def __init__(
        self,
        keys: Sequence[bytes],
        secrets: Sequence[str],
        algorithms: Sequence[str],
        encode: Callable[[bytes], str],
        spelling: Callable[[str], str],
        is_plain: bool,
    ) -> None:
        self._keys, self._secrets, self._algorithms = keys, secrets, algorithms
        self._encode, self._spelling, self._is_plain = encode, spelling, is_plain
        self._signatures: Sequence[str] = ()
        self._digests: list[tuple[Digest, bytes]] = []

    def begin(self, proof: Proof, around: Around) -> None:
        """Begin the content with each secret. Raises MalformedHeader for an algorithm that is not allowed."""
        algorithm = proof.algorithm or self._algorithms[0]
        if algorithm not in self._algorithms:
            raise MalformedHeader("algorithm")
        self._signatures = proof.signatures
        shared = None if self._is_plain else around("")
        for key, secret in zip(self._keys, self._secrets, strict=True):
            head, tail = shared or around(secret)
            digest = new_digest(algorithm, None if self._is_plain else key)
            digest.update(head)
            self._digests.append((digest, tail))

    def update(self, chunk: bytes, /) -> None:
        """Add the next piece of the body."""
        for digest, _ in self._digests:
            digest.update(chunk)

    def expected(self) -> list[str]:
        """Return the signature that each secret makes. To be called once."""
        for digest, tail in self._digests:
            digest.update(tail)
        return [self._encode(digest.digest()) for digest, _ in self._digests]

    def finish(self) -> int:
        """Return the index of the secret that signed the content. Raises NoMatchingSignature."""
        return first_match(
            [
                index
                for index, expected in enumerate(self.expected())
                for signature in self._signatures
                if constant_time_equal(self._spelling(expected), self._spelling(signature))
            ]
        )
