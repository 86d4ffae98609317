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
from webhooks.schemes.scheme import MAX_KEPT_BODY, UnsignedMessage
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
    signature_headers = (SIGNATURE,)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        url = f"https://example.com/hook?bodySHA256={hashlib.sha256(body).hexdigest()}"
        return Message({SIGNATURE: sign(secret, url), "Content-Type": "application/json"}, body, url)

    def test_verify_rejects_a_body_without_a_digest_in_the_url(self) -> None:
        message = self.signed(self.secret)
        url = "https://example.com/hook"
        bare = replace(message.with_header(SIGNATURE, sign(self.secret, url)), url=url)
        self.rejects(bare)
        self.verify(replace(bare, body=b""), self.secret)

    def test_verify_checks_a_body_without_content_type_by_its_digest(self) -> None:
        message = self.signed(self.secret).without("Content-Type")
        self.verify(message, self.secret)
        self.rejects(replace(message, body=b"other"))

    def test_verify_checks_a_form_in_spite_of_a_digest(self) -> None:
        self.rejects(replace(self.signed(self.secret), headers={**self.signed(self.secret).headers, **FORM_TYPE}))


FIELDS = st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")))


@given(FIELDS, st.sampled_from([URL, "https://example.com", "https://example.com:8443/a%20b?c=%C3%A9"]))
def test_verify_accepts_what_the_library_signs(fields: dict[str, str], url: str) -> None:
    signature = RequestValidator("12345").compute_signature(url, fields)
    message = Message({SIGNATURE: signature, **FORM_TYPE}, urlencode(fields).encode(), url)
    TestTwilioForm().verify(message, "12345")
    TestTwilioForm().rejects(replace(message, url=url + "x"), "12345")


@given(st.binary())
def test_sign_is_verified_by_the_library(body: bytes) -> None:
    sample = schemes.get("twilio").sign("12345", UnsignedMessage(body, "https://example.com/hook", NOW, "t1"))
    url = f"https://example.com/hook?{sample.query}"
    text = body.decode("utf-8", "surrogateescape")
    if text.isprintable():
        assert RequestValidator("12345").validate(url, text, sample.headers[SIGNATURE])


class TestTwilioForm(SchemeBattery):
    scheme = "twilio"
    signature_headers = (SIGNATURE,)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        # The names and values are signed, not how they are spelled.
        fields = {"Body": body.decode(), "A": "é", "Empty": ""} if body else {}
        content = URL + "".join(name + fields[name] for name in sorted(fields))
        return Message({SIGNATURE: sign(secret, content), **FORM_TYPE}, urlencode(fields).encode(), URL)

    def is_equivalent(self, body: bytes, signed: bytes) -> bool:
        try:
            found = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
        except ValueError:
            return False
        return sorted(found) == sorted(parse_qsl(signed.decode(), keep_blank_values=True))

    def test_verify_accepts_the_documented_example(self) -> None:
        message = Message({SIGNATURE: "RSOYDt4T1cUTdK1PDd93/VVr8B8=", **FORM_TYPE}, urlencode(FORM).encode(), URL)
        self.verify(message, "12345")

    def test_verify_ignores_order_and_repetition_of_fields(self) -> None:
        self.verify(form("b=2&a=1&b=1&b=2", URL + "a1b1b2"), "12345")

    def test_verify_accepts_the_url_with_or_without_port(self) -> None:
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
            self.rejects(form("a=1", signed + "a1", called), "12345")

    def test_verify_accepts_another_border_of_name_and_value(self) -> None:
        self.rejects(form("ab=1&c=2", URL + "ab1c3"), "12345")

    def test_verify_uses_sha256_if_the_settings_header_says_so(self) -> None:
        settings = "X-Twilio-Webhooks-Signature-Settings"
        message = form("a=1", "").with_header(SIGNATURE, sign("12345", URL + "a1", "sha256"))
        self.rejects(message, "12345")
        self.verify(message.with_header(settings, "key=webhooks_1,algorithm=HMAC_SHA256"), "12345")
        with pytest.raises(MalformedHeader):
            self.verify(message.with_header(settings, "algorithm=none"), "12345")

    def test_verify_rejects_a_form_over_the_limit(self) -> None:
        self.rejects(form("&".join(f"a{n}=1" for n in range(2000)), URL), "12345")
        with pytest.raises(BodyTooLarge):
            self.verify(form("a=" + "1" * MAX_KEPT_BODY, URL), "12345")

    @pytest.mark.parametrize("url", ["https://[::1", "https://a.com:port/", "https://a.com:99999/", "//", "\ud800"])
    def test_verify_rejects_a_url_that_does_not_parse(self, url: str) -> None:
        self.rejects(form("a=1", "x", url), "12345")

    def test_verify_without_a_url_raises_missing_url(self) -> None:
        with pytest.raises(MissingUrl):
            self.verify(form("a=1", "", ""), "12345")

    def test_message_id_is_the_idempotency_token(self) -> None:
        assert schemes.get("twilio").message_id({"I-Twilio-Idempotency-Token": "t1"}) == "t1"
