"""The ``tls`` of an endpoint: a value that no TLS library would accept is rejected when it is saved."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x448

from subscriptions.endpoints.http.certificates import check_tls, public_tls, tls_files
from subscriptions.errors import Invalid
from tests.pki import Authority, key_pem

AUTHORITY = Authority()
OURS = AUTHORITY.issue("us")
EXPIRED = AUTHORITY.issue(since=datetime(2020, 1, 1, tzinfo=UTC), until=datetime(2020, 1, 2, tzinfo=UTC))
NOT_YET = AUTHORITY.issue(since=datetime(2999, 1, 1, tzinfo=UTC), until=datetime(2999, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    "tls",
    [
        {"certificate": OURS.pem, "private_key": OURS.key},
        {"ca": AUTHORITY.pem},
        {"certificate": OURS.pem + AUTHORITY.pem, "private_key": OURS.key, "ca": AUTHORITY.pem + Authority().pem},
    ],
)
def test_check_tls_accepts_certificate_with_key_and_authorities(tls):
    check_tls(tls)


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ([], "Must be an object"),
        ({}, "Must be an object"),
        ({"cert": "x"}, "'cert' is unknown"),
        ({"certificate": OURS.pem}, "together"),
        ({"private_key": OURS.key}, "together"),
        ({"ca": 5}, "ca: must be PEM"),
        ({"ca": ""}, "ca: must be PEM"),
        ({"ca": "é"}, "ca: must be PEM"),
        ({"ca": "x" * 40_000}, "ca: must be PEM"),
        ({"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "ca: must be one or more"),
        ({"ca": OURS.key}, "ca: must be one or more"),
        ({"ca": AUTHORITY.pem * 11}, "ca: must have at most"),
        ({"certificate": OURS.pem, "private_key": AUTHORITY.issue().key}, "does not match the certificate"),
        ({"certificate": OURS.pem, "private_key": "x"}, "private_key: must be a private key"),
        ({"certificate": OURS.pem, "private_key": OURS.pem}, "private_key: must be a private key"),
        (
            {"certificate": OURS.pem, "private_key": key_pem(ec.generate_private_key(ec.SECP256R1()), b"x")},
            "private_key: is encrypted",
        ),
        (
            {"certificate": OURS.pem, "private_key": key_pem(x448.X448PrivateKey.generate())},
            "private_key: must be an RSA",
        ),
        (
            {"certificate": OURS.pem, "private_key": key_pem(rsa.generate_private_key(65537, 1024))},
            "private_key: must have at least",
        ),
        ({"certificate": EXPIRED.pem, "private_key": EXPIRED.key}, "is only valid from"),
        ({"certificate": NOT_YET.pem, "private_key": NOT_YET.key}, "is only valid from"),
    ],
)
def test_unusable_value_is_rejected(tls, message):
    with pytest.raises(Invalid, match=message) as error:
        check_tls(tls)
    assert error.value.field == "tls"


def test_error_repeats_nothing_of_the_key():
    with pytest.raises(Invalid) as error:
        check_tls({"certificate": OURS.pem, "private_key": "hunter2"})
    assert "hunter2" not in str(error.value)


def test_public_tls_has_subject_expiry_and_fingerprint():
    shown = public_tls({"certificate": OURS.pem, "private_key": OURS.key})
    (certificate,) = shown["certificate"]
    assert set(shown) == {"certificate"}
    assert certificate["subject"] == "CN=us"
    assert len(certificate["sha256"]) == 64
    assert OURS.key not in repr(shown)


def test_repr_of_tls_files_shows_no_key():
    files = tls_files({"certificate": OURS.pem, "private_key": OURS.key})
    assert files is not None
    assert (files.certificate, files.ca) == (OURS.pem.encode(), None)
    assert "PRIVATE" not in repr(files)
    assert tls_files({}) is None
