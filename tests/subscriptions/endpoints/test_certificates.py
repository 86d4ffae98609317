"""A client certificate that no TLS library would take is refused when it is given, not when it is needed."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x448

from subscriptions.endpoints.certificates import check_tls, public_tls, tls_files
from subscriptions.errors import Invalid
from tests.pki import Authority, key_pem

AUTHORITY = Authority()
OURS = AUTHORITY.issue("us")
NOW = datetime.now(UTC)
EXPIRED = AUTHORITY.issue(since=NOW - timedelta(days=2), until=NOW - timedelta(days=1))
NOT_YET = AUTHORITY.issue(since=NOW + timedelta(days=1), until=NOW + timedelta(days=2))


@pytest.mark.parametrize(
    "tls",
    [
        {"certificate": OURS.pem, "private_key": OURS.key},
        {"ca": AUTHORITY.pem},
        {"certificate": OURS.pem + AUTHORITY.pem, "private_key": OURS.key, "ca": AUTHORITY.pem + Authority().pem},
    ],
)
def test_a_certificate_with_its_key_and_authorities_of_its_own_are_taken(tls):
    check_tls(tls)


@pytest.mark.parametrize(
    ("tls", "says"),
    [
        ([], "Give an object"),
        ({}, "Give an object"),
        ({"cert": "x"}, "Give an object"),
        ({"certificate": OURS.pem}, "go together"),
        ({"private_key": OURS.key}, "go together"),
        ({"ca": 5}, "ca: give PEM"),
        ({"ca": ""}, "ca: give PEM"),
        ({"ca": "é"}, "ca: give PEM"),
        ({"ca": "x" * 40_000}, "ca: give PEM"),
        ({"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "ca: is not"),
        ({"ca": OURS.key}, "ca: is not"),
        ({"ca": AUTHORITY.pem * 11}, "ca: holds more"),
        ({"certificate": OURS.pem, "private_key": AUTHORITY.issue().key}, "another certificate"),
        ({"certificate": OURS.pem, "private_key": "x"}, "private_key: is not"),
        ({"certificate": OURS.pem, "private_key": OURS.pem}, "private_key: is not"),
        (
            {"certificate": OURS.pem, "private_key": key_pem(ec.generate_private_key(ec.SECP256R1()), b"x")},
            "private_key: is encrypted",
        ),
        ({"certificate": OURS.pem, "private_key": key_pem(x448.X448PrivateKey.generate())}, "private_key: give an RSA"),
        (
            {"certificate": OURS.pem, "private_key": key_pem(rsa.generate_private_key(65537, 1024))},
            "private_key: an RSA key",
        ),
        ({"certificate": EXPIRED.pem, "private_key": EXPIRED.key}, "is good from"),
        ({"certificate": NOT_YET.pem, "private_key": NOT_YET.key}, "is good from"),
    ],
)
def test_what_could_not_be_used_is_refused(tls, says):
    with pytest.raises(Invalid, match=says) as refusal:
        check_tls(tls)
    assert refusal.value.field == "tls"


def test_a_refusal_repeats_nothing_of_the_key():
    with pytest.raises(Invalid) as refusal:
        check_tls({"certificate": OURS.pem, "private_key": "hunter2"})
    assert "hunter2" not in str(refusal.value)


def test_shown_is_whose_it_is_and_until_when():
    shown = public_tls({"certificate": OURS.pem, "private_key": OURS.key})
    (certificate,) = shown["certificate"]
    assert set(shown) == {"certificate"}
    assert certificate["subject"] == "CN=us"
    assert len(certificate["sha256"]) == 64
    assert OURS.key not in repr(shown)


def test_the_files_do_not_appear_in_a_log():
    files = tls_files({"certificate": OURS.pem, "private_key": OURS.key})
    assert files is not None
    assert (files.certificate, files.ca) == (OURS.pem.encode(), None)
    assert "PRIVATE" not in repr(files)
    assert tls_files({}) is None
