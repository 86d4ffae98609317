"""Hostile requests in place of the messages of every sender and every scheme: refused, never an error of ours.

The senders and the schemes are found by their registries.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.webhooks.senders.rules import RULES, URL, Sent
from tests.webhooks.senders.test_presets import NOW, options_of, tolerance_of
from webhooks import schemes
from webhooks.schemes.scheme import FetchKeys, fetch_unavailable
from webhooks.senders.presets import find_sender, sender_names
from webhooks.wire.errors import SignatureError
from webhooks.wire.header_values import lowered

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

HOSTS = (
    "[",
    "[::1",
    "a b",
    "ex\xe4mple",
    "a:99999",
    "a:b",
    "@",
    "a@b",
    "",
    "a/b?c#d",
    "[v1.x]",
    "\u2100.example",
    "\0",
)
VALUES = (
    *(
        "",
        " ",
        ",",
        "=",
        ";",
        "a=",
        "=a",
        "\xff\xfe",
        "\xe9",
        "\0",
        "a\nb",
        "٣",
        "²",
        "\ud800",
        "a" * 8_192,
        "=" * 8_192,
    ),
    *(
        "," * 8_192,
        "t=,v1=",
        "v1,",
        "v1a,",
        "v1a,AAAA",
        "v0=",
        "sha256=",
        "9" * 5_000,
        "-1",
        "1e999",
        "nan",
        "inf",
        "+5",
    ),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2020-02-30T00:00:00Z", "Mon, 99 Jan 9999 99:99:99 GMT"),
    *("Bearer ", "Bearer a.b.c", "Basic ", "Basic =", "Basic " + "/" * 8_192, "e30.e30.", "e30", "bnVsbA==", "W10="),
    *("eyJhbGciOm51bGx9.e30.AA", "eyJhbGciOiJIUzI1NiIsImNyaXQiOls1XX0.e30.AA", "W10.W10.AA", "{}", "[" * 8_000),
    *("{}" * 4_000, "%", "%ff", "%00", "a|b", "query:a", "{body}", "http://[", "https://a/%0d%0aX: y"),
)
DEEP = b"[" * 300 + b"]" * 300
BODIES = (
    *(
        b"",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"{",
        b"{}",
        b"[]",
        b"null",
        b"NaN",
        b'"a"',
        b"9" * 5_000,
        b"1e999",
        DEEP,
    ),
    *(b"[" * 50_000, b'{"a":' * 10_000, b'{"\\ud800":"\\ud800"}', b"a=%ff&a=b", b"&" * 5_000, b"=", b"%", b"a=" + DEEP),
    *(b"--x\r\n", b"--x--", b"--x\r\n\r\n--x--"),
    b'--x\r\nContent-Disposition: form-data; name="a\r\n\r\nb\r\n--x--',
    b"--x\r\nContent-Disposition: form-data; name=" + b"(" * 8_000 + b"\r\n\r\nb\r\n--x--",
    b"--x\r\nContent-Disposition: form-data; name*=utf-8''%ff; name*0*=x\r\n\r\nb\r\n--x--",
    b"--x\r\nContent-Disposition: =?utf-8?q?=ff?=; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n--x--",
    b"--x\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: uuencode\r\n\r\nbegin\r\n--x--",
    b"--x\r\nContent-Disposition: form-data; name=a\r\nContent-Type: multipart/mixed; boundary=y\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\n--y\r\n\r\n--y--\r\n--x--",
)
CONTENT_TYPES = (
    *("", "a", "/", "application/json; charset=\xff", "application/json; charset=utf-7", "multipart/form-data"),
    *(
        "multipart/form-data; boundary=x",
        'multipart/form-data; boundary="',
        "multipart/form-data; boundary=" + "x" * 8_000,
    ),
    *("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16", "a" * 8_192),
)


@dataclass(frozen=True)
class Verified:
    """Hold what a source of a sender or a scheme verifies messages with."""

    scheme: str
    secret: str
    options: dict[str, str]
    tolerance: int = 300
    fetch: FetchKeys = fetch_unavailable

    def fault(self, sent: Sent, url: str) -> str:
        """Verify a message, and return what was raised other than what a message deserves; else nothing."""
        try:
            schemes.verify(
                self.scheme,
                [self.secret] if self.secret else [],
                lowered(sent.headers),
                sent.body,
                url=url,
                now=NOW,
                tolerance=self.tolerance,
                options=self.options,
                proxied=True,
                fetch=self.fetch,
            )
        except SignatureError as error:
            return "" if len(str(error)) < 1_000 else f"a message of {len(str(error))} characters"
        except Exception as error:
            return f"{type(error).__name__}: {error}"[:200]
        return ""


def hostile(sent: Sent) -> Iterator[tuple[str, Sent, str]]:
    """Yield the message with something hostile at one place: the URL, a header, the parameters, the body."""
    for host in HOSTS:
        yield f"host {host!a}", sent, f"https://{host}/in/src_1/?{sent.query}"
    url = f"{URL}?{sent.query}"
    for query in ("\xff", "%ff=%00", "&" * 5_000, "a=" + "x" * 8_192, "\0", "#", "a b", f"{sent.query}&{sent.query}"):
        yield f"query {query[:20]!a}", sent, f"{URL}?{query}"
    yield "no URL", sent, ""
    for name in sent.headers:
        for value in VALUES:
            yield f"{name}={value[:40]!a}", replace(sent, headers={**sent.headers, name: value}), url
    for body in BODIES:
        yield f"body {body[:40]!a}", replace(sent, body=body), url
    for value in CONTENT_TYPES:
        headers = {name: it for name, it in sent.headers.items() if name.lower() != "content-type"}
        for body in (sent.body, *BODIES[-8:]):
            typed = replace(sent, headers={**headers, "Content-Type": value}, body=body)
            yield f"{value[:40]!a} with {body[:40]!a}", typed, url


@pytest.mark.parametrize("name", sender_names())
def test_hostile_message_of_a_known_sender_is_refused(name: str) -> None:
    rule = RULES[name]
    fields = find_sender(name).fields
    source = Verified(fields["scheme"], rule.secret, options_of(name), tolerance_of(name), rule.fetch)
    faults = [f"{what}: {it}" for what, *how in hostile(rule.sign(rule.secret, NOW)) if (it := source.fault(*how))]
    assert not faults, "\n".join(faults)


SIGNED_PARTS = "{url}{path}{query}{host}{method}.{timestamp}.{header:x-a}.{query:a}."
OPTIONS: dict[str, dict[str, str]] = {
    "hmac": {"signed": SIGNED_PARTS + "{body}", "timestamp_header": "x-time", "header": "x-a"},
    "hmac form": {"signed": "{form_sorted}{host}", "signature_path": "query:s"},
    "hmac body": {"signed": "{body:/a}{form:b?}{form:c#/d?}", "signature_path": "body:/s|form:s"},
    "hmac list": {"format": "t={timestamp},v1={signature}", "separator": ",", "signed": "{timestamp}.{body}"},
    "hmac envelope": {"envelope": "base64_json", "signed": "{headers:x-a}{body}"},
    "public_key": {"signed": "{host}{path}{body}", "algorithm": "ed25519", "encoding": "hex"},
    "token query": {"path": "query:a"},
    "token body": {"path": "body:/*/a"},
    "token form": {"path": "form:a#/b"},
    "jwt query": {"token_path": "query:a"},
    "jwt body": {"token_path": "body:"},
    "jwt member": {"token_path": "body:/a"},
    "jwt header": {"header": "x-a", "claims": "a=b", "body_claim": "c"},
    "mtls pem": {"form": "pem", "header": "x-a"},
    "mtls xfcc": {"form": "xfcc", "header": "x-a"},
    "mtls subject": {"form": "subject", "header": "x-a", "verify_header": "x-b"},
}
SECRETS = {"public_key": "aa" * 32, "basic": "a:b", "sns": "arn:aws:sns:eu-central-1:123456789012:a"}


@pytest.mark.parametrize("case", [*schemes.SCHEMES, *OPTIONS])
def test_hostile_message_of_a_scheme_is_refused(case: str) -> None:
    name = case.split()[0]
    source = Verified(name, SECRETS.get(name, "a secret of the sender"), OPTIONS.get(case, {}))
    headers = dict.fromkeys(("x-a", "x-b", "x-time", "x-signature", "authorization", "client-cert", "x-api-key"), "a")
    query = "a=b&s=c"
    faults = [f"{what}: {it}" for what, *how in hostile(Sent(headers, query=query)) if (it := source.fault(*how))]
    assert not faults, "\n".join(faults)
