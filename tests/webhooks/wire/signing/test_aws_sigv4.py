"""Signing for AWS: the signatures of its published test suite, and those that botocore computes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.aws_signatures import is_signed_for_aws
from webhooks.wire.signing.aws_sigv4 import AwsCredentials, AwsSigner, canonical_path, canonical_query

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # as all of the suite: published as an example
SUITE = AwsCredentials("AKIDEXAMPLE", SECRET, "us-east-1", "service")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
HOST = "example.amazonaws.com"
SESSION_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthA"
    "x7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9"
    "q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = "application/x-www-form-urlencoded"


def signed(url: str, headers: dict[str, str], body: bytes = b"", method: str = "POST", **of: Any) -> dict[str, str]:
    credentials = AwsCredentials(SUITE.access_key_id, SECRET, SUITE.region, **{"service": "service", **of})
    return AwsSigner(credentials, url).sign(headers, body, AT.timestamp(), method)


@pytest.mark.parametrize(
    ("case", "path", "headers", "body", "signature"),
    [
        ("get-vanilla", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("get-slash", "//", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("get-slash-dot-slash", "/./", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("get-relative", "/example/..", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "get-relative-relative",
            *("/example1/example2/../..", {}, b""),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "get-unreserved",
            *("/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", {}, b""),
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        (
            "get-vanilla-query-order-key-case",
            *("/?Param2=value2&Param1=value1", {}, b""),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-utf8-query",
            *("/?%E1%88%B4=bar", {}, b""),
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "get-header-value-trim",
            *("/", {"my-header1": " value1", "my-header2": ' "a   b   c"'}, b""),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        ("post-vanilla", "/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "post-vanilla-query",
            *("/?Param1=value1", {}, b""),
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        (
            "post-header-key-sort",
            *("/", {"my-header1": "value1"}, b""),
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "post-x-www-form-urlencoded",
            *("/", {"content-type": FORM}, b"Param1=value1"),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "post-x-www-form-urlencoded-parameters",
            *("/", {"content-type": f"{FORM}; charset=utf8"}, b"Param1=value1"),
            "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
        ),
    ],
)
def test_signature_is_that_of_the_suite_of_aws(
    case: str, path: str, headers: dict[str, str], body: bytes, signature: str
) -> None:
    added = signed(f"https://{HOST}{path}", headers, body, case.partition("-")[0].upper())
    names = ";".join(sorted({"host", "x-amz-date", *headers}))
    assert added == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}",
    }


def test_session_token_is_signed() -> None:
    """Case post-sts-header-before of the suite."""
    added = signed(f"https://{HOST}/", {}, session_token=SESSION_TOKEN)
    assert added["x-amz-security-token"] == SESSION_TOKEN
    assert added["authorization"].endswith(
        "SignedHeaders=host;x-amz-date;x-amz-security-token, "
        "Signature=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
    )


@pytest.mark.parametrize("service", ["lambda", "execute-api", "s3"])
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/a", "/a/", "/a/b.c", "/gr%C3%BCn", "/a%20b/", "/a%2Fb", "/a+b:c@d;e"),
        *("/?b=2&a=1", "/?a=2&a=1", "/?a", "/?a=", "/?a=%20%2B%25", "/?A=1&a=2&a-b=3", "/x?token=a%3Db%26c"),
    ],
)
def test_signature_is_what_botocore_computes(path: str, service: str) -> None:
    body, headers = b'{"a": 1}', {"content-type": "application/json", "webhook-id": "evt_1"}
    url = f"https://x.lambda-url.eu-central-1.on.aws{path}"
    sent = {"host": "x.lambda-url.eu-central-1.on.aws", **headers, **signed(url, headers, body, service=service)}
    if not (service == "s3" and "+b:c" in path):  # botocore takes paths for S3 as they are
        assert is_signed_for_aws(SECRET, path, sent, body)
    assert not is_signed_for_aws("other", path, sent, body)
    assert not is_signed_for_aws(SECRET, path, {**sent, "webhook-id": "evt_2"}, body)
    assert ("x-amz-content-sha256" in sent) == (service == "s3")


@pytest.mark.parametrize(
    ("path", "once", "twice"),
    [
        ("", "/", "/"),
        ("/a%20b", "/a%20b", "/a%2520b"),
        ("/a//b/./../c/", "/a//b/./../c/", "/a/c/"),
        ("/..", "/..", "/"),
        ("/a/.", "/a/.", "/a/"),
        ("/a:b", "/a%3Ab", "/a%3Ab"),
    ],
)
def test_path_is_encoded_again_and_normalized_except_for_s3(path: str, once: str, twice: str) -> None:
    assert (canonical_path(path, is_s3=True), canonical_path(path, is_s3=False)) == (once, twice)


@pytest.mark.parametrize(
    ("query", "canonical"),
    [("a:b=c/d", "a%3Ab=c%2Fd"), ("b=%c3%bc&a", "a=&b=%C3%BC"), ("a=b=c", "a=b%3Dc"), ("&a=1&&", "a=1"), ("", "")],
)
def test_query_is_encoded_in_one_way_and_sorted(query: str, canonical: str) -> None:
    assert canonical_query(query) == canonical


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://a.example", "a.example"),
        ("https://a.example:443", "a.example"),
        ("https://a.example:1443", "a.example:1443"),
        ("http://a.example:80", "a.example"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_host_is_signed_as_it_is_sent(origin: str, host: str) -> None:
    assert is_signed_for_aws(SECRET, "/", {"host": host, **signed(f"{origin}/", {})}, b"")


def test_key_is_that_of_the_day() -> None:
    signer = AwsSigner(SUITE, f"https://{HOST}/")
    for at in (AT, AT + timedelta(days=1), AT):
        assert is_signed_for_aws(SECRET, "/", {"host": HOST, **signer.sign({}, b"", at.timestamp())}, b"")


def test_representation_has_no_secret() -> None:
    credentials = AwsCredentials("AKIDEXAMPLE", SECRET, "us-east-1", session_token=SESSION_TOKEN)
    assert not [secret for secret in (SECRET, SESSION_TOKEN) if secret in repr(credentials)]
