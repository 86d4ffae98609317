"""Check Standard Webhooks signatures, against the reference libraries too."""

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import assume, given
from hypothesis import strategies as st

from webhooks.wire.errors import (
    BadSecret,
    BodyTooLarge,
    InvalidSigningInput,
    MalformedHeader,
    MissingHeader,
    NoMatchingSignature,
    SignatureError,
    StaleTimestamp,
)
from webhooks.wire.header_values import lowered
from webhooks.wire.signing import standard_webhooks
from webhooks.wire.signing.keys import check_secret, new_keypair, new_secret, public_key_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ID, NOW, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
KNOWN_V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KNOWN_V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

HEADERS = ["webhook-id", "webhook-timestamp", "webhook-signature", "x"]
VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "signatures.json").read_text())["cases"]
STANDARD = [case for case in VECTORS if case["scheme"].startswith("standard-webhooks")]

ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1)
times = st.integers(0, 10**11)
secrets = st.sampled_from([SECRET, OTHER, PRIVATE]) | st.binary(min_size=24, max_size=64).map(
    lambda raw: "whsec_" + b64encode(raw).decode()
)


def headers(signature: str = KNOWN_V1, **changes: str | None) -> dict[str, str]:
    """Return the headers of the known message; `id` and `timestamp` change one, None leaves it out."""
    values = {"id": ID, "timestamp": str(NOW), "signature": signature, **changes}
    return {f"webhook-{name}": value for name, value in values.items() if value is not None}


def accepts(secrets: list[str], given: dict[str, str], body: bytes = BODY, **clock: Any) -> bool:
    try:
        standard_webhooks.verify(secrets, given, body, **{"now": NOW, **clock})
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("case", STANDARD, ids=lambda case: case["name"])
def test_vectors(case: dict[str, Any]) -> None:
    assert accepts([case["secret"]], case["headers"], case["body"].encode(), now=case["now"]) is case["valid"]


def test_sign_reproduces_known_signatures() -> None:
    assert standard_webhooks.sign(SECRET, ID, NOW, BODY) == KNOWN_V1
    assert standard_webhooks.sign(PRIVATE, ID, NOW, BODY) == KNOWN_V1A


# Sign and verify


@given(secrets, ids, times, st.binary())
def test_verify_accepts_what_sign_signed(secret: str, message_id: str, timestamp: int, body: bytes) -> None:
    signature = standard_webhooks.sign(secret, message_id, timestamp, body)
    key = public_key_of(secret) if secret.startswith("whsk_") else secret
    given = headers(signature, id=message_id, timestamp=str(timestamp))
    standard_webhooks.verify([key], given, body, now=timestamp)


@given(st.sampled_from([SECRET, PRIVATE]), st.binary(min_size=1), st.data())
def test_verify_rejects_a_message_with_one_bit_flipped(secret: str, body: bytes, data: st.DataObject) -> None:
    parts = {
        "id": ID.encode(),
        "timestamp": str(NOW).encode(),
        "signature": standard_webhooks.sign(secret, ID, NOW, body).encode(),
        "body": body,
    }
    name = data.draw(st.sampled_from(sorted(parts)))
    bit = data.draw(st.integers(0, len(parts[name]) * 8 - 1))
    flipped = bytearray(parts[name])
    flipped[bit // 8] ^= 1 << bit % 8
    parts[name] = bytes(flipped)
    given = {f"webhook-{part}": parts[part].decode("latin-1") for part in ("id", "timestamp", "signature")}
    assert not accepts([secret], given, parts["body"], tolerance=10**12)


@given(secrets, secrets, st.binary())
def test_verify_rejects_another_secret(one: str, other: str, body: bytes) -> None:
    assume(one.rstrip("=") != other.rstrip("="))
    assert not accepts([other], headers(standard_webhooks.sign(one, ID, NOW, body)), body)


@given(st.dictionaries(st.sampled_from(HEADERS), st.text()), st.binary(), st.text())
def test_verify_raises_only_signature_errors(given: dict[str, str], body: bytes, secret: str) -> None:
    assert not accepts([secret, SECRET, PUBLIC], given, body)


@given(st.text())
def test_verify_rejects_any_other_signature_header(signature: str) -> None:
    assert not accepts([SECRET, PUBLIC], headers(signature))


# Reference libraries


def test_sign_is_verified_by_the_reference_libraries() -> None:
    now = int(datetime.now(UTC).timestamp())
    secret = new_secret()
    given = headers(standard_webhooks.sign(secret, ID, now, BODY), timestamp=str(now))
    assert standardwebhooks.Webhook(secret).verify(BODY, given) == json.loads(BODY)
    svix.Webhook(secret).verify(BODY, given)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(secret).verify(BODY + b" ", given)


def test_signer_during_a_rotation_is_verified_by_the_reference_libraries() -> None:
    now = int(datetime.now(UTC).timestamp())
    old, new = new_secret(), new_secret()
    given = headers(standard_webhooks.Signer([new, PRIVATE, old]).sign(ID, now, BODY), timestamp=str(now))
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(BODY, given)
        svix.Webhook(secret).verify(BODY, given)


@given(st.text(st.characters(codec="utf-8")))
def test_verify_accepts_what_the_reference_library_signs(text: str) -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    signature = standardwebhooks.Webhook(SECRET).sign(ID, at, text)
    standard_webhooks.verify([SECRET], headers(signature), text.encode(), now=NOW)


def test_sign_with_ed25519_is_verified_by_cryptography() -> None:
    private, public = new_keypair()
    signature = b64decode(standard_webhooks.sign(private, ID, NOW, BODY).removeprefix("v1a,"))
    key = Ed25519PublicKey.from_public_bytes(b64decode(public.removeprefix("whpk_")))
    key.verify(signature, f"{ID}.{NOW}.".encode() + BODY)


# Keys


def test_new_secret_has_32_bytes_and_is_unique() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(b64decode(secret.removeprefix("whsec_"))) == 32 for secret in made)
    for secret in made:
        check_secret(secret)


def test_new_keypair_signs_and_verifies() -> None:
    private, public = new_keypair()
    assert public_key_of(private) == public
    assert len(b64decode(private.removeprefix("whsk_"))) == 64
    check_secret(private)
    standard_webhooks.verify([public], headers(standard_webhooks.sign(private, ID, NOW, BODY)), BODY, now=NOW)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_====",
        "whsec_not base64",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_",  # the URL alphabet
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        "whsec_M",
        "whsk_",
        "whpk_AAAA",
        "whsk_AAAA",
        PRIVATE[:-20] + "A" * 18 + "==",  # the public half of another key
        "whxx_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ],
)
def test_sign_and_verify_reject_an_invalid_key(secret: str) -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.sign(secret, ID, NOW, BODY)
    with pytest.raises(BadSecret):
        standard_webhooks.verify([SECRET, secret], headers(), BODY, now=NOW)


@pytest.mark.parametrize("size", [1, 23, 65])
def test_check_secret_rejects_a_wrong_size(size: int) -> None:
    with pytest.raises(BadSecret):
        check_secret("whsec_" + b64encode(b"k" * size).decode())


@pytest.mark.parametrize("secret", [PUBLIC, SECRET.removeprefix("whsec_"), "secret"])
def test_check_secret_rejects_other_text(secret: str) -> None:
    with pytest.raises(BadSecret):
        check_secret(secret)


@pytest.mark.parametrize("secret", [SECRET.removeprefix("whsec_"), OTHER.rstrip("=")])
def test_sign_accepts_a_secret_without_prefix_or_padding(secret: str) -> None:
    full = SECRET if secret in SECRET else OTHER
    assert standard_webhooks.sign(secret, ID, NOW, BODY) == standard_webhooks.sign(full, ID, NOW, BODY)


def test_verify_accepts_a_private_key() -> None:
    standard_webhooks.verify([PRIVATE], headers(KNOWN_V1A), BODY, now=NOW)


def test_sign_and_verify_reject_an_empty_list_of_secrets() -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.Signer([])
    with pytest.raises(BadSecret):
        standard_webhooks.verify([], headers(), BODY, now=NOW)


def test_sign_rejects_a_public_key() -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.sign(PUBLIC, ID, NOW, BODY)


def test_verifier_does_not_show_keys_in_tracebacks() -> None:
    verifier = standard_webhooks.begin_verification([SECRET], lowered(headers()), now=NOW)
    assert "MfKQ9r8" not in repr(vars(verifier))


# The header of signatures


@pytest.mark.parametrize(
    "signature",
    [
        f"v1,AAAA {KNOWN_V1}",
        f"{KNOWN_V1} v1,AAAA",
        f"  {KNOWN_V1}  ",
        f"v2,whatever {KNOWN_V1}",
        f"v1a,AAAA {KNOWN_V1}",
        f"nonsense , v1 v1, ,v1 {KNOWN_V1}",
        " ".join(["v1,AAAA"] * 100 + [KNOWN_V1]),
        f"{KNOWN_V1A} {KNOWN_V1}",
    ],
)
def test_verify_accepts_one_match_among_other_entries(signature: str) -> None:
    standard_webhooks.verify([OTHER, SECRET], headers(signature), BODY, now=NOW)


@pytest.mark.parametrize(
    "signature",
    [
        KNOWN_V1.removeprefix("v1,"),
        KNOWN_V1.replace("v1,", "v1="),
        KNOWN_V1.replace("v1,", "V1,"),
        KNOWN_V1.replace("v1,", "v1a,"),
        KNOWN_V1[:-1],
        KNOWN_V1[:12],
        "v1,",
        KNOWN_V1 + "=",
        KNOWN_V1 + ",",
        KNOWN_V1.replace("OE=", "OF="),  # decodes to the same bytes
        " ",
        "é",
        "\ud800",
    ],
)
def test_verify_rejects_a_signature_in_another_spelling(signature: str) -> None:
    assert not accepts([SECRET], headers(signature))


def test_verify_never_compares_v1_with_v1a() -> None:
    assert not accepts([SECRET], headers(KNOWN_V1.replace("v1,", "v1a,")))
    assert not accepts([PUBLIC], headers(KNOWN_V1A.replace("v1a,", "v1,")))


def test_verify_never_uses_a_public_key_as_hmac_secret() -> None:
    forged = standard_webhooks.sign("whsec_" + PUBLIC.removeprefix("whpk_"), ID, NOW, BODY)
    assert not accepts([PUBLIC], headers(forged))


def test_verify_accepts_only_the_canonical_base64_of_an_ed25519_signature() -> None:
    assert accepts([PUBLIC], headers(KNOWN_V1A))
    assert not accepts([PUBLIC], headers(KNOWN_V1A.replace("BAg==", "BAh==")))
    assert not accepts([PUBLIC], headers(KNOWN_V1A.rstrip("=")))


def test_signer_writes_one_signature_per_key_in_order() -> None:
    signature = standard_webhooks.Signer([SECRET, PRIVATE, OTHER]).sign(ID, NOW, BODY)
    assert signature == " ".join(standard_webhooks.sign(key, ID, NOW, BODY) for key in (SECRET, PRIVATE, OTHER))


# Id and time


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_verify_rejects_a_missing_header(name: str, value: str | None) -> None:
    with pytest.raises(MissingHeader) as caught:
        standard_webhooks.verify([SECRET], headers(**{name: value}), BODY, now=NOW)
    assert caught.value.detail == f"webhook-{name}"


def test_verify_accepts_header_names_in_any_case() -> None:
    standard_webhooks.verify([SECRET], {name.title(): value for name, value in headers().items()}, BODY, now=NOW)
    standard_webhooks.verify([SECRET], {name.upper(): value for name, value in headers().items()}, BODY, now=NOW)


@pytest.mark.parametrize("ago", [-300, 0, 300])
def test_verify_accepts_the_limits_of_the_tolerance(ago: int) -> None:
    standard_webhooks.verify([SECRET], headers(), BODY, now=NOW + ago)


@pytest.mark.parametrize("ago", [-301, -300.5, 300.5, 301, 10**9, float("inf"), -float("inf")])
def test_verify_rejects_a_timestamp_outside_the_tolerance(ago: float) -> None:
    with pytest.raises(StaleTimestamp):
        standard_webhooks.verify([SECRET], headers(), BODY, now=NOW + ago)


def test_verify_uses_the_given_tolerance() -> None:
    standard_webhooks.verify([SECRET], headers(), BODY, now=NOW + 600, tolerance=600)
    with pytest.raises(StaleTimestamp):
        standard_webhooks.verify([SECRET], headers(), BODY, now=NOW + 1, tolerance=0)


@pytest.mark.parametrize(
    "timestamp",
    [
        *("hello", f"+{NOW}", f"-{NOW}", f" {NOW}", f"{NOW} ", f"{NOW}\n", f"{NOW}.0", "1_614_265_330"),
        *("1e9", "0x6037b6f2", "١٦١٤٢٦٥٣٣٠", "9" * 5000, "nan", "inf", "\ud800"),
    ],
)
def test_verify_rejects_a_timestamp_that_is_not_digits(timestamp: str) -> None:
    with pytest.raises(MalformedHeader):
        standard_webhooks.verify([SECRET], headers(timestamp=timestamp), BODY, now=NOW)


@pytest.mark.parametrize("message_id", ["a.b", ".", "msg_1.1614265330", "a b", "a\r\nb", "é", "\ud800", "\x7f"])
def test_sign_and_verify_reject_an_ambiguous_id(message_id: str) -> None:
    with pytest.raises(InvalidSigningInput):
        standard_webhooks.sign(SECRET, message_id, NOW, BODY)
    with pytest.raises(MalformedHeader):
        standard_webhooks.verify([SECRET], headers(id=message_id), BODY, now=NOW)


@pytest.mark.parametrize(("message_id", "timestamp"), [("", NOW), (ID, -1), (ID, 10**15)])
def test_sign_rejects_an_invalid_id_or_timestamp(message_id: str, timestamp: int) -> None:
    with pytest.raises(InvalidSigningInput):
        standard_webhooks.sign(SECRET, message_id, timestamp, BODY)


# Streams


@given(st.lists(st.binary()), st.sampled_from([SECRET, PRIVATE]))
def test_verifier_accepts_a_body_in_any_pieces(pieces: list[bytes], secret: str) -> None:
    given = lowered(headers(standard_webhooks.sign(secret, ID, NOW, b"".join(pieces))))
    verifier = standard_webhooks.begin_verification([secret], given, now=NOW)
    for piece in pieces:
        verifier.update(piece)
    verifier.finish()


def test_verifier_rejects_a_large_body_only_if_only_v1a_can_match() -> None:
    piece = bytes(1024 * 1024)
    both = standard_webhooks.Signer([SECRET, PRIVATE]).sign(ID, NOW, piece * 40)
    asymmetric = standard_webhooks.begin_verification([PUBLIC], lowered(headers(both)), now=NOW)
    for _ in range(31):
        asymmetric.update(piece)
    with pytest.raises(BodyTooLarge):
        asymmetric.update(piece)
    symmetric = standard_webhooks.begin_verification([PUBLIC, SECRET], lowered(headers(both)), now=NOW)
    for _ in range(40):
        symmetric.update(piece)
    symmetric.finish()


def test_signature_errors_have_a_message_and_a_code() -> None:
    with pytest.raises(NoMatchingSignature) as caught:
        standard_webhooks.verify([OTHER], headers(), BODY, now=NOW)
    assert str(caught.value) == "No signature matches a known secret."
    assert caught.value.code == "no_match"
    with pytest.raises(MissingHeader, match="webhook-id"):
        standard_webhooks.verify([OTHER], {}, BODY, now=NOW)
