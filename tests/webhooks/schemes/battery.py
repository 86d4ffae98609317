"""Define the tests that every scheme must pass, inherited by the test class of each scheme.

A subclass names its scheme and signs messages as the provider does. Its signing code is written from the provider's
documentation and shares no code with the scheme, except where the scheme's own `sign` is tested.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks import schemes
from webhooks.schemes.scheme import FetchKeys, SignedMessage, UnsignedMessage, fetch_unavailable
from webhooks.wire.errors import BadSecret, SenderKeyRequired, SignatureError, StaleTimestamp

NOW = 1614265330
BODY = b'{"test": 2432232314}'


@dataclass(frozen=True)
class Message:
    """One signed request."""

    headers: dict[str, str]
    body: bytes = BODY
    url: str = "https://example.com/in/src_1?x=1"
    options: dict[str, str] = field(default_factory=dict)
    proxied: bool = False
    fetch: FetchKeys = fetch_unavailable

    def without(self, name: str) -> "Message":
        return replace(self, headers={key: value for key, value in self.headers.items() if key != name})

    def with_header(self, name: str, value: str) -> "Message":
        return replace(self, headers={**self.headers, name: value})


class SchemeBattery:
    """Check that a scheme accepts signed messages, and rejects all others with a SignatureError."""

    scheme: ClassVar[str]
    secret: ClassVar[str] = "a secret of the sender"
    other: ClassVar[str] = "a secret of another sender"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = False
    can_sign: ClassVar[bool] = True
    pads_freely: ClassVar[bool] = False  # base64 is accepted with and without its padding
    list_headers: ClassVar[tuple[str, ...]] = ()  # signature headers with a list, of which one element must be valid
    signature_headers: ClassVar[tuple[str, ...]]  # the headers without which a message is not signed

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        """Sign a message as the provider does."""
        raise NotImplementedError

    def verify(self, message: Message, *secrets: str, **clock: Any) -> None:
        schemes.verify(
            self.scheme,
            list(secrets),
            message.headers,
            message.body,
            url=message.url,
            options=message.options,
            proxied=message.proxied,
            fetch=message.fetch,
            **{"now": NOW, **clock},
        )

    def rejects(self, message: Message, *secrets: str, **clock: Any) -> None:
        with pytest.raises(SignatureError) as caught:
            self.verify(message, *(secrets or (self.secret,)), **clock)
        assert str(caught.value)
        assert self.secret not in str(caught.value)

    def test_verify_accepts_a_signed_message(self) -> None:
        self.verify(self.signed(self.secret), self.secret)

    def test_verify_handles_an_empty_body_like_the_provider(self) -> None:
        self.verify(self.signed(self.secret, b""), self.secret)

    def test_verify_accepts_any_of_several_secrets(self) -> None:
        self.verify(self.signed(self.secret), self.other, self.secret)
        self.verify(self.signed(self.other), self.other, self.secret)

    def test_verify_accepts_header_names_in_any_case(self) -> None:
        message = self.signed(self.secret)
        for spell in (str.upper, str.lower, str.title):
            self.verify(
                replace(message, headers={spell(name): value for name, value in message.headers.items()}), self.secret
            )

    def test_verifier_accepts_a_body_in_any_pieces(self) -> None:
        message = self.signed(self.secret)
        verifier = schemes.get(self.scheme, message.options).begin_verification(
            [self.secret],
            message.headers,
            url=message.url,
            now=NOW,
            proxied=message.proxied,
            fetch=message.fetch,
        )
        for at in range(len(message.body)):
            verifier.update(message.body[at : at + 1])
        verifier.update(b"")
        verifier.finish()

    def test_verify_rejects_another_body(self) -> None:
        if self.signs_body:
            message = self.signed(self.secret)
            for body in (BODY + b" ", BODY[:-1], b"", BODY.swapcase().replace(b"T", b"u"), b"\xff\x00"):
                self.rejects(replace(message, body=body))

    def test_verify_rejects_a_body_with_one_bit_changed(self) -> None:
        message = self.signed(self.secret)
        for bit in range(8 * len(message.body) if self.signs_body else 0):
            body = bytearray(message.body)
            body[bit // 8] ^= 1 << bit % 8
            if not self.is_equivalent(bytes(body), message.body):
                self.rejects(replace(message, body=bytes(body)))

    def is_equivalent(self, body: bytes, signed: bytes) -> bool:
        """Return whether another body has the same signature, in schemes that do not sign the bytes."""
        return False

    def is_same_base64(self, given: str, value: str) -> bool:
        """Tell whether a header is the value itself, or the same base64 in another spelling."""
        if not self.pads_freely:
            return given == value
        unpadded, alike = (text.replace("-", "+").replace("_", "/") for text in (value.rstrip("="), given))
        return alike in {unpadded, unpadded + "=" * (-len(unpadded) % 4)}

    def test_verifier_returns_the_index_of_the_secret(self) -> None:
        message = self.signed(self.secret)
        for index, secrets in enumerate([[self.secret, self.other], [self.other, self.secret]]):
            verifier = schemes.get(self.scheme, message.options).begin_verification(
                secrets,
                message.headers,
                url=message.url,
                now=NOW,
                proxied=message.proxied,
                fetch=message.fetch,
            )
            verifier.update(message.body)
            assert verifier.finish() == index

    def test_verify_rejects_another_secret(self) -> None:
        self.rejects(self.signed(self.other))

    def test_verify_rejects_missing_and_blank_secrets(self) -> None:
        message = self.signed(self.secret)
        for none in ([], [""], [self.secret, ""], [" "]):
            with pytest.raises(BadSecret):
                self.verify(message, *none)

    def test_verify_rejects_missing_signature_headers(self) -> None:
        message = self.signed(self.secret)
        for name in self.signature_headers:
            assert name in message.headers
            self.rejects(message.without(name))
            self.rejects(message.with_header(name, ""))
        self.rejects(replace(message, headers={}))

    def test_verify_rejects_any_change_to_the_signature_headers(self) -> None:
        message = self.signed(self.secret)
        for name in self.signature_headers:
            value = message.headers[name]
            for at in range(len(value)):
                changed = value[:at] + ("!" if value[at] != "!" else "?") + value[at + 1 :]
                self.rejects(message.with_header(name, changed))
                if not self.is_same_base64(value[:at], value):
                    self.rejects(message.with_header(name, value[:at]))

    def test_verify_rejects_longer_and_repeated_signature_headers(self) -> None:
        message = self.signed(self.secret)
        for name in self.signature_headers:
            value = message.headers[name]
            longer = [value + "A", value + "=", "A" + value, value + "\0", value + "\x7f"]
            twice = [value + value, f"{value}, {value}", f"{value},{value}", f"{value};{value}"]
            for changed in longer + ([] if name in self.list_headers else twice):
                if self.is_same_base64(changed, value):
                    continue
                self.rejects(message.with_header(name, changed))
            if name not in self.list_headers:
                self.rejects(message.with_header(name.swapcase(), value))

    def test_verify_rejects_the_signature_headers_of_other_schemes(self) -> None:
        message = self.signed(self.secret)
        for name in sorted(schemes.SCHEMES.keys() - {self.scheme, "none"}):
            sample = signed_by_scheme(name, self.secret, message)
            if sample is None or {name, self.scheme} in ALIKE:
                continue
            if not sample.headers.items() >= {key: message.headers[key] for key in self.signature_headers}.items():
                self.rejects(replace(message, headers=sample.headers))
            for other, value in sample.headers.items():
                for header in self.signature_headers if other != "Content-Type" else ():
                    if not self.is_same_base64(value, message.headers[header]):
                        self.rejects(message.with_header(header, value))

    def test_sign_makes_a_message_that_only_its_secret_verifies(self) -> None:
        message = self.signed(self.secret)
        draft = UnsignedMessage(BODY, message.url, NOW, "msg_1", "waypost.test")
        if not self.can_sign:
            with pytest.raises(SenderKeyRequired):
                schemes.get(self.scheme, message.options).sign(self.secret, draft)
            return
        sample = schemes.get(self.scheme, message.options).sign(self.secret, draft)
        url = f"{message.url}&{sample.query}" if sample.query else message.url
        sent = replace(message, headers=sample.headers, body=sample.body, url=url)
        self.verify(sent, self.secret)
        self.rejects(sent, self.other)

    def test_verify_rejects_a_time_in_the_future(self) -> None:
        message = self.signed(self.secret)
        if not self.signs_time:
            self.verify(message, self.secret, now=NOW - 10**9)
            return
        self.verify(message, self.secret, now=NOW - 300)
        for ahead, tolerance in ((300.5, 300), (301, 300), (3600, 300), (10**9, 300), (1, 0)):
            with pytest.raises(StaleTimestamp):
                self.verify(message, self.secret, now=NOW - ahead, tolerance=tolerance)
        self.verify(message, self.secret, now=NOW - 301, tolerance=301)

    def test_verify_rejects_a_time_outside_the_tolerance(self) -> None:
        message = self.signed(self.secret)
        if not self.signs_time:
            self.verify(message, self.secret, now=NOW + 10**9)
            return
        self.verify(message, self.secret, now=NOW + 300)
        with pytest.raises(StaleTimestamp):
            self.verify(message, self.secret, now=NOW + 301)
        self.verify(message, self.secret, now=NOW + 301, tolerance=301)

    def test_verify_rejects_any_other_header_values(self) -> None:
        signed = self.signed(self.secret)

        @given(st.data())
        def law(data: st.DataObject) -> None:
            message = signed
            for name in data.draw(st.sets(st.sampled_from(sorted(signed.headers)), min_size=1)):
                message = message.with_header(name, data.draw(ANY_HEADER))
            message = replace(message, body=data.draw(st.binary()), url=data.draw(st.text() | st.just(signed.url)))
            if self.signs_body or any(message.headers[name] != signed.headers[name] for name in self.signature_headers):
                self.rejects(message)

        law()


ALIKE = [{"github", "meta"}, {"standard", "svix"}]  # the same headers with the same values


def signed_by_scheme(name: str, secret: str, message: Message) -> SignedMessage | None:
    """Sign the message with another scheme; None if it cannot sign with this secret."""
    try:
        return schemes.get(name).sign(secret, UnsignedMessage(message.body, message.url, NOW, "msg_1"))
    except (SignatureError, SenderKeyRequired):
        return None


ANY_HEADER = (
    st.text()
    | st.binary().map(lambda raw: raw.decode("latin-1"))
    | st.sampled_from(["", " ", ",", "=", "t=,v1=", "v1,", "v1a,", "v0=", "sha256=", "9" * 5000, "Basic ", "Bearer "])
)
