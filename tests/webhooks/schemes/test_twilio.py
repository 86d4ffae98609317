import hashlib
import hmac
from base64 import b64encode
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.schemes.scheme import UnsignedMessage
from webhooks.wire.errors import BodyTooLarge, MalformedHeader, MissingUrl

SIGNATURE = "X-Twilio-Signature"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def sign(secret: str, content: str, digest: str = "sha1") -> str:
    return b64encode(hmac.digest(secret.encode(), content.encode(), digest)).decode()


def form(body: str, content: str, url: str = URL, secret: str = "12345") -> Message:
    return Message({SIGNATURE: sign(secret, content), **FORM_TYPE}, body.encode(), url)


class TestTwilioJson(SchemeBattery):
    scheme = "twilio"
    proof = (SIGNATURE,)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        url = f"https://example.com/hook?bodySHA256={hashlib.sha256(body).hexdigest()}"
        return Message({SIGNATURE: sign(secret, url), "Content-Type": "application/json"}, body, url)

    def test_a_body_without_its_digest_in_the_url_is_not_signed(self) -> None:
        message = self.signed(self.secret)
        url = "https://example.com/hook"
        bare = replace(message.with_header(SIGNATURE, sign(self.secret, url)), url=url)
        self.refuses(bare)
        self.verify(replace(bare, body=b""), self.secret)

    def test_a_body_of_no_type_is_checked_by_its_digest(self) -> None:
        message = self.signed(self.secret).without("Content-Type")
        self.verify(message, self.secret)
        self.refuses(replace(message, body=b"other"))

    def test_what_is_said_to_be_a_form_is_not_excused_by_a_digest(self) -> None:
        self.refuses(replace(self.signed(self.secret), headers={**self.signed(self.secret).headers, **FORM_TYPE}))


FIELDS = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))


@given(FIELDS, st.sampled_from([URL, "https://example.com", "https://example.com:8443/a%20b?c=%C3%A9"]))
def test_what_the_library_signs(fields: dict[str, str], url: str) -> None:
    signature = RequestValidator("12345").compute_signature(url, fields)
    message = Message({SIGNATURE: signature, **FORM_TYPE}, urlencode(fields).encode(), url)
    TestTwilioForm().verify(message, "12345")
    TestTwilioForm().refuses(replace(message, url=url + "x"), "12345")


@given(st.binary())
def test_the_library_verifies_our_samples(body: bytes) -> None:
    sample = schemes.get("twilio").sign("12345", UnsignedMessage(body, "https://example.com/hook", NOW, "t1"))
    url = f"https://example.com/hook?{sample.query}"
    text = body.decode("utf-8", "surrogateescape")
    if text.isprintable():
        assert RequestValidator("12345").validate(url, text, sample.headers[SIGNATURE])


class TestTwilioForm(SchemeBattery):
    scheme = "twilio"
    proof = (SIGNATURE,)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        # The names and values are signed, not how they are spelled.
        fields = {"Body": body.decode(), "A": "é", "Empty": ""} if body else {}
        content = URL + "".join(name + fields[name] for name in sorted(fields))
        return Message({SIGNATURE: sign(secret, content), **FORM_TYPE}, urlencode(fields).encode(), URL)

    def means_the_same(self, body: bytes, signed: bytes) -> bool:
        try:
            found = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
        except ValueError:
            return False
        return sorted(found) == sorted(parse_qsl(signed.decode(), keep_blank_values=True))

    def test_the_documented_example(self) -> None:
        message = Message({SIGNATURE: "RSOYDt4T1cUTdK1PDd93/VVr8B8=", **FORM_TYPE}, urlencode(FORM).encode(), URL)
        self.verify(message, "12345")

    def test_the_order_of_the_fields_does_not_matter_and_repetitions_count_once(self) -> None:
        self.verify(form("b=2&a=1&b=1&b=2", URL + "a1b1b2"), "12345")

    def test_the_port_may_be_signed_or_not(self) -> None:
        for called, signed in (
            ("https://a.com/x", "https://a.com:443/x"),
            ("https://a.com:443/x", "https://a.com/x"),
            ("http://a.com/x", "http://a.com:80/x"),
            ("https://a.com:8443/x", "https://a.com/x"),
        ):
            self.verify(form("a=1", signed + "a1", called), "12345")
        for called, signed in (
            ("https://a.com/x", "https://a.com:8443/x"),
            ("https://a.com/x", "http://a.com/x"),
            ("https://a.com/x", "https://a.com/x/"),
        ):
            self.refuses(form("a=1", signed + "a1", called), "12345")

    def test_a_name_and_a_value_cannot_be_cut_elsewhere_unseen_by_us(self) -> None:
        self.refuses(form("ab=1&c=2", URL + "ab1c3"), "12345")

    def test_sha256_if_the_settings_header_says_so(self) -> None:
        settings = "X-Twilio-Webhooks-Signature-Settings"
        message = form("a=1", "").with_header(SIGNATURE, sign("12345", URL + "a1", "sha256"))
        self.refuses(message, "12345")
        self.verify(message.with_header(settings, "key=webhooks_1,algorithm=HMAC_SHA256"), "12345")
        with pytest.raises(MalformedHeader):
            self.verify(message.with_header(settings, "algorithm=none"), "12345")

    def test_a_form_has_a_limit(self) -> None:
        self.refuses(form("&".join(f"a{n}=1" for n in range(2000)), URL), "12345")
        with pytest.raises(BodyTooLarge):
            self.verify(form("a=" + "1" * 2**20, URL), "12345")

    @pytest.mark.parametrize("url", ["https://[::1", "https://a.com:port/", "https://a.com:99999/", "//", "\ud800"])
    def test_a_url_that_cannot_be_read_is_refused(self, url: str) -> None:
        self.refuses(form("a=1", "x", url), "12345")

    def test_the_url_is_needed(self) -> None:
        with pytest.raises(MissingUrl):
            self.verify(form("a=1", "", ""), "12345")

    def test_a_repeated_request_has_its_token(self) -> None:
        assert schemes.get("twilio").message_id({"I-Twilio-Idempotency-Token": "t1"}) == "t1"
