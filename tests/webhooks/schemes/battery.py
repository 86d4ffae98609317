"""What every scheme has to keep to: one battery, inherited by the tests of each.

A subclass names its scheme and says how the provider signs; the tests below then hold for it. The signing
helpers of the subclasses are written from the providers' documents and share no code with the schemes, except in the
tests of our own samples, which are the schemes'.
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
    """Accepts what the provider signed, refuses everything else, and never fails in another way."""

    scheme: ClassVar[str]
    secret: ClassVar[str] = "a secret of somebody"
    other: ClassVar[str] = "a secret of somebody else"
    signs_body: ClassVar[bool] = True
    signs_time: ClassVar[bool] = False
    takes_the_future: ClassVar[bool] = False
    can_be_signed_by_us: ClassVar[bool] = True
    lists: ClassVar[tuple[str, ...]] = ()  # headers of the proof of which one good element is enough
    proof: ClassVar[tuple[str, ...]]  # headers without which there is no proof

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        """What the provider would send."""
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

    def refuses(self, message: Message, *secrets: str, **clock: Any) -> None:
        with pytest.raises(SignatureError) as refused:
            self.verify(message, *(secrets or (self.secret,)), **clock)
        assert str(refused.value)
        assert self.secret not in str(refused.value)

    def test_accepts_what_the_provider_signed(self) -> None:
        self.verify(self.signed(self.secret), self.secret)

    def test_accepts_an_empty_body(self) -> None:
        self.verify(self.signed(self.secret, b""), self.secret)

    def test_accepts_any_of_several_secrets(self) -> None:
        self.verify(self.signed(self.secret), self.other, self.secret)
        self.verify(self.signed(self.other), self.other, self.secret)

    def test_accepts_header_names_in_any_case(self) -> None:
        message = self.signed(self.secret)
        for spell in (str.upper, str.lower, str.title):
            self.verify(
                replace(message, headers={spell(name): value for name, value in message.headers.items()}), self.secret
            )

    def test_it_does_not_matter_how_the_body_is_cut(self) -> None:
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

    def test_refuses_another_body(self) -> None:
        if self.signs_body:
            message = self.signed(self.secret)
            for body in (BODY + b" ", BODY[:-1], b"", BODY.swapcase().replace(b"T", b"u"), b"\xff\x00"):
                self.refuses(replace(message, body=body))

    def test_refuses_a_body_with_one_bit_changed(self) -> None:
        message = self.signed(self.secret)
        for bit in range(8 * len(message.body) if self.signs_body else 0):
            body = bytearray(message.body)
            body[bit // 8] ^= 1 << bit % 8
            if not self.means_the_same(bytes(body), message.body):
                self.refuses(replace(message, body=bytes(body)))

    def means_the_same(self, body: bytes, signed: bytes) -> bool:
        """For schemes that sign something else than the bytes."""
        return False

    def test_says_which_secret_it_was(self) -> None:
        message = self.signed(self.secret)
        for place, secrets in enumerate([[self.secret, self.other], [self.other, self.secret]]):
            verifier = schemes.get(self.scheme, message.options).begin_verification(
                secrets,
                message.headers,
                url=message.url,
                now=NOW,
                proxied=message.proxied,
                fetch=message.fetch,
            )
            verifier.update(message.body)
            assert verifier.finish() == place

    def test_refuses_another_secret(self) -> None:
        self.refuses(self.signed(self.other))

    def test_refuses_when_there_is_no_secret(self) -> None:
        message = self.signed(self.secret)
        for none in ([], [""], [self.secret, ""], [" "]):
            with pytest.raises(BadSecret):
                self.verify(message, *none)

    def test_refuses_without_the_headers_of_the_proof(self) -> None:
        message = self.signed(self.secret)
        for name in self.proof:
            assert name in message.headers
            self.refuses(message.without(name))
            self.refuses(message.with_header(name, ""))
        self.refuses(replace(message, headers={}))

    def test_refuses_any_change_to_the_proof(self) -> None:
        message = self.signed(self.secret)
        for name in self.proof:
            value = message.headers[name]
            for at in range(len(value)):
                changed = value[:at] + ("!" if value[at] != "!" else "?") + value[at + 1 :]
                self.refuses(message.with_header(name, changed))
                self.refuses(message.with_header(name, value[:at]))

    def test_refuses_a_proof_that_is_longer_or_comes_twice(self) -> None:
        message = self.signed(self.secret)
        for name in self.proof:
            value = message.headers[name]
            longer = [value + "A", value + "=", "A" + value, value + "\0", value + "\x7f"]
            twice = [value + value, f"{value}, {value}", f"{value},{value}", f"{value};{value}"]
            for changed in longer + ([] if name in self.lists else twice):
                self.refuses(message.with_header(name, changed))
            if name not in self.lists:
                self.refuses(message.with_header(name.swapcase(), value))

    def test_refuses_the_proof_of_every_other_scheme(self) -> None:
        message = self.signed(self.secret)
        for name in sorted(schemes.SCHEMES.keys() - {self.scheme, "none"}):
            sample = sample_of(name, self.secret, message)
            if sample is None or {name, self.scheme} in ALIKE:
                continue
            if not sample.headers.items() >= {key: message.headers[key] for key in self.proof}.items():
                self.refuses(replace(message, headers=sample.headers))
            for other, value in sample.headers.items():
                for wanted in self.proof if other != "Content-Type" else ():
                    if value != message.headers[wanted]:
                        self.refuses(message.with_header(wanted, value))

    def test_a_sample_of_our_own_is_accepted_and_only_with_its_secret(self) -> None:
        message = self.signed(self.secret)
        draft = UnsignedMessage(BODY, message.url, NOW, "msg_1", "waypost.test")
        if not self.can_be_signed_by_us:
            with pytest.raises(SenderKeyRequired):
                schemes.get(self.scheme, message.options).sign(self.secret, draft)
            return
        sample = schemes.get(self.scheme, message.options).sign(self.secret, draft)
        url = f"{message.url}&{sample.query}" if sample.query else message.url
        sent = replace(message, headers=sample.headers, body=sample.body, url=url)
        self.verify(sent, self.secret)
        self.refuses(sent, self.other)

    def test_refuses_what_comes_from_the_future(self) -> None:
        if self.signs_time and not self.takes_the_future:
            self.verify(self.signed(self.secret), self.secret, now=NOW - 300)
            with pytest.raises(StaleTimestamp):
                self.verify(self.signed(self.secret), self.secret, now=NOW - 301)

    def test_refuses_what_is_stale(self) -> None:
        message = self.signed(self.secret)
        if not self.signs_time:
            self.verify(message, self.secret, now=NOW + 10**9)
            return
        self.verify(message, self.secret, now=NOW + 300)
        with pytest.raises(StaleTimestamp):
            self.verify(message, self.secret, now=NOW + 301)
        self.verify(message, self.secret, now=NOW + 301, tolerance=301)

    def test_refuses_whatever_the_headers_hold(self) -> None:
        signed = self.signed(self.secret)

        @given(st.data())
        def law(data: st.DataObject) -> None:
            message = signed
            for name in data.draw(st.sets(st.sampled_from(sorted(signed.headers)), min_size=1)):
                message = message.with_header(name, data.draw(ANY_HEADER))
            message = replace(message, body=data.draw(st.binary()), url=data.draw(st.text() | st.just(signed.url)))
            if self.signs_body or any(message.headers[name] != signed.headers[name] for name in self.proof):
                self.refuses(message)

        law()


ALIKE = [{"github", "meta"}, {"standard", "svix"}]  # the same headers with the same values


def sample_of(name: str, secret: str, message: Message) -> SignedMessage | None:
    """What another provider would send, if it could have this secret."""
    try:
        return schemes.get(name).sign(secret, UnsignedMessage(message.body, message.url, NOW, "msg_1"))
    except (SignatureError, SenderKeyRequired):
        return None


ANY_HEADER = (
    st.text()
    | st.binary().map(lambda raw: raw.decode("latin-1"))
    | st.sampled_from(["", " ", ",", "=", "t=,v1=", "v1,", "v1a,", "v0=", "sha256=", "9" * 5000, "Basic ", "Bearer "])
)
