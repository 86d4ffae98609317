"""Standard Webhooks: what we sign others verify, what others sign we verify, and nothing else passes."""

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

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
PRIVATE = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ID, NOW, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
KNOWN_V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
KNOWN_V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "signatures.json").read_text())["cases"]
STANDARD = [case for case in VECTORS if case["scheme"].startswith("standard-webhooks")]

ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1)
times = st.integers(0, 10**11)
secrets = st.sampled_from([SECRET, OTHER, PRIVATE]) | st.binary(min_size=24, max_size=64).map(
    lambda raw: "whsec_" + b64encode(raw).decode()
)


def headers(signature: str = KNOWN_V1, **changes: str | None) -> dict[str, str]:
    """The three headers of the known message. `id` and `timestamp` change one, None leaves it out."""
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


def test_known_signatures() -> None:
    assert standard_webhooks.sign(SECRET, ID, NOW, BODY) == KNOWN_V1
    assert standard_webhooks.sign(PRIVATE, ID, NOW, BODY) == KNOWN_V1A


# Sign and verify


@given(secrets, ids, times, st.binary())
def test_what_is_signed_is_verified(secret: str, message_id: str, timestamp: int, body: bytes) -> None:
    signature = standard_webhooks.sign(secret, message_id, timestamp, body)
    known = standard_webhooks.public_key_of(secret) if secret.startswith("whsk_") else secret
    given = headers(signature, id=message_id, timestamp=str(timestamp))
    standard_webhooks.verify([known], given, body, now=timestamp)


@given(st.sampled_from([SECRET, PRIVATE]), st.binary(min_size=1), st.data())
def test_no_bit_of_the_message_can_be_flipped(secret: str, body: bytes, data: st.DataObject) -> None:
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
def test_another_secret_does_not_verify(one: str, other: str, body: bytes) -> None:
    assume(one.rstrip("=") != other.rstrip("="))
    assert not accepts([other], headers(standard_webhooks.sign(one, ID, NOW, body)), body)


@given(st.dictionaries(st.sampled_from([*standard_webhooks.HEADERS, "x"]), st.text()), st.binary(), st.text())
def test_nothing_but_a_signature_error_is_ever_raised(given: dict[str, str], body: bytes, secret: str) -> None:
    assert not accepts([secret, SECRET, PUBLIC], given, body)


@given(st.text())
def test_any_signature_header_is_only_refused(signature: str) -> None:
    assert not accepts([SECRET, PUBLIC], headers(signature))


# What others sign, what others verify


def test_the_reference_library_verifies_what_we_sign() -> None:
    now = int(datetime.now(UTC).timestamp())
    secret = standard_webhooks.new_secret()
    given = headers(standard_webhooks.sign(secret, ID, now, BODY), timestamp=str(now))
    assert standardwebhooks.Webhook(secret).verify(BODY, given) == json.loads(BODY)
    svix.Webhook(secret).verify(BODY, given)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(secret).verify(BODY + b" ", given)


def test_both_signatures_of_a_rotation_are_verified_by_the_reference_library() -> None:
    now = int(datetime.now(UTC).timestamp())
    old, new = standard_webhooks.new_secret(), standard_webhooks.new_secret()
    given = headers(standard_webhooks.Signer([new, PRIVATE, old]).sign(ID, now, BODY), timestamp=str(now))
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(BODY, given)
        svix.Webhook(secret).verify(BODY, given)


@given(st.text(st.characters(codec="utf-8")))
def test_we_verify_what_the_reference_library_signs(text: str) -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    signature = standardwebhooks.Webhook(SECRET).sign(ID, at, text)
    standard_webhooks.verify([SECRET], headers(signature), text.encode(), now=NOW)


def test_ed25519_of_another_hand_verifies_what_we_sign() -> None:
    private, public = standard_webhooks.new_keypair()
    signature = b64decode(standard_webhooks.sign(private, ID, NOW, BODY).removeprefix("v1a,"))
    key = Ed25519PublicKey.from_public_bytes(b64decode(public.removeprefix("whpk_")))
    key.verify(signature, f"{ID}.{NOW}.".encode() + BODY)


# Keys


def test_new_secrets_are_long_and_never_the_same() -> None:
    made = {standard_webhooks.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(b64decode(secret.removeprefix("whsec_"))) == 32 for secret in made)
    for secret in made:
        standard_webhooks.check_secret(secret)


def test_a_new_keypair_belongs_together() -> None:
    private, public = standard_webhooks.new_keypair()
    assert standard_webhooks.public_key_of(private) == public
    assert len(b64decode(private.removeprefix("whsk_"))) == 64
    standard_webhooks.check_secret(private)
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
def test_what_is_no_key_is_refused_on_both_sides(secret: str) -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.sign(secret, ID, NOW, BODY)
    with pytest.raises(BadSecret):
        standard_webhooks.verify([SECRET, secret], headers(), BODY, now=NOW)


@pytest.mark.parametrize("size", [1, 23, 65])
def test_an_endpoint_is_not_configured_with_a_secret_of_the_wrong_size(size: int) -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.check_secret("whsec_" + b64encode(b"k" * size).decode())


@pytest.mark.parametrize("secret", [PUBLIC, SECRET.removeprefix("whsec_"), "secret"])
def test_an_endpoint_is_not_configured_with_something_else(secret: str) -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.check_secret(secret)


@pytest.mark.parametrize("secret", [SECRET.removeprefix("whsec_"), OTHER.rstrip("=")])
def test_prefix_and_padding_may_be_left_out(secret: str) -> None:
    full = SECRET if secret in SECRET else OTHER
    assert standard_webhooks.sign(secret, ID, NOW, BODY) == standard_webhooks.sign(full, ID, NOW, BODY)


def test_a_private_key_verifies_through_its_public_half() -> None:
    standard_webhooks.verify([PRIVATE], headers(KNOWN_V1A), BODY, now=NOW)


def test_without_secrets_nothing_is_signed_or_verified() -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.Signer([])
    with pytest.raises(BadSecret):
        standard_webhooks.verify([], headers(), BODY, now=NOW)


def test_a_public_key_signs_nothing() -> None:
    with pytest.raises(BadSecret):
        standard_webhooks.sign(PUBLIC, ID, NOW, BODY)


def test_keys_do_not_show_in_tracebacks() -> None:
    check = standard_webhooks.begin_verification([SECRET], lowered(headers()), now=NOW)
    assert "MfKQ9r8" not in repr(vars(check))


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
def test_one_match_among_anything_is_enough(signature: str) -> None:
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
        KNOWN_V1.replace("OE=", "OF="),  # decodes to the same bytes, but is not what was sent
        " ",
        "é",
        "\ud800",
    ],
)
def test_a_signature_that_is_not_to_the_letter_is_refused(signature: str) -> None:
    assert not accepts([SECRET], headers(signature))


def test_a_v1a_value_is_never_tried_as_v1_nor_the_other_way() -> None:
    assert not accepts([SECRET], headers(KNOWN_V1.replace("v1,", "v1a,")))
    assert not accepts([PUBLIC], headers(KNOWN_V1A.replace("v1a,", "v1,")))


def test_a_public_key_is_never_an_hmac_secret() -> None:
    forged = standard_webhooks.sign("whsec_" + PUBLIC.removeprefix("whpk_"), ID, NOW, BODY)
    assert not accepts([PUBLIC], headers(forged))


def test_an_ed25519_signature_has_one_spelling() -> None:
    assert accepts([PUBLIC], headers(KNOWN_V1A))
    assert not accepts([PUBLIC], headers(KNOWN_V1A.replace("BAg==", "BAh==")))
    assert not accepts([PUBLIC], headers(KNOWN_V1A.rstrip("=")))


def test_a_signer_writes_the_newest_key_first() -> None:
    signature = standard_webhooks.Signer([SECRET, PRIVATE, OTHER]).sign(ID, NOW, BODY)
    assert signature == " ".join(standard_webhooks.sign(key, ID, NOW, BODY) for key in (SECRET, PRIVATE, OTHER))


# Id and time


@pytest.mark.parametrize("name", ["id", "timestamp", "signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_every_header_is_needed(name: str, value: str | None) -> None:
    with pytest.raises(MissingHeader) as refused:
        standard_webhooks.verify([SECRET], headers(**{name: value}), BODY, now=NOW)
    assert refused.value.header == f"webhook-{name}"


def test_header_names_are_taken_in_any_case() -> None:
    standard_webhooks.verify([SECRET], {name.title(): value for name, value in headers().items()}, BODY, now=NOW)
    standard_webhooks.verify([SECRET], {name.upper(): value for name, value in headers().items()}, BODY, now=NOW)


@pytest.mark.parametrize("ago", [-300, 0, 300])
def test_the_tolerance_is_inclusive_both_ways(ago: int) -> None:
    standard_webhooks.verify([SECRET], headers(), BODY, now=NOW + ago)


@pytest.mark.parametrize("ago", [-301, -300.5, 300.5, 301, 10**9, float("inf"), -float("inf")])
def test_a_stale_message_is_refused_both_ways(ago: float) -> None:
    with pytest.raises(StaleTimestamp):
        standard_webhooks.verify([SECRET], headers(), BODY, now=NOW + ago)


def test_the_tolerance_can_be_chosen() -> None:
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
def test_a_timestamp_is_plain_digits(timestamp: str) -> None:
    with pytest.raises(MalformedHeader):
        standard_webhooks.verify([SECRET], headers(timestamp=timestamp), BODY, now=NOW)


@pytest.mark.parametrize("message_id", ["a.b", ".", "msg_1.1614265330", "a b", "a\r\nb", "é", "\ud800", "\x7f"])
def test_an_id_that_could_be_cut_elsewhere_is_neither_signed_nor_accepted(message_id: str) -> None:
    with pytest.raises(InvalidSigningInput):
        standard_webhooks.sign(SECRET, message_id, NOW, BODY)
    with pytest.raises(MalformedHeader):
        standard_webhooks.verify([SECRET], headers(id=message_id), BODY, now=NOW)


@pytest.mark.parametrize(("message_id", "timestamp"), [("", NOW), (ID, -1), (ID, 10**15)])
def test_what_no_receiver_would_take_is_not_signed(message_id: str, timestamp: int) -> None:
    with pytest.raises(InvalidSigningInput):
        standard_webhooks.sign(SECRET, message_id, timestamp, BODY)


# Streams


@given(st.lists(st.binary()), st.sampled_from([SECRET, PRIVATE]))
def test_it_does_not_matter_how_the_body_is_cut(pieces: list[bytes], secret: str) -> None:
    given = lowered(headers(standard_webhooks.sign(secret, ID, NOW, b"".join(pieces))))
    check = standard_webhooks.begin_verification([secret], given, now=NOW)
    for piece in pieces:
        check.update(piece)
    check.finish()


def test_a_body_too_large_to_hold_is_refused_only_if_it_has_to_be_held() -> None:
    piece = bytes(1024 * 1024)
    both = standard_webhooks.Signer([SECRET, PRIVATE]).sign(ID, NOW, piece * 20)
    asymmetric = standard_webhooks.begin_verification([PUBLIC], lowered(headers(both)), now=NOW)
    for _ in range(15):
        asymmetric.update(piece)
    with pytest.raises(BodyTooLarge):
        asymmetric.update(piece)
    symmetric = standard_webhooks.begin_verification([PUBLIC, SECRET], lowered(headers(both)), now=NOW)
    for _ in range(20):
        symmetric.update(piece)
    symmetric.finish()


def test_errors_say_what_was_wrong_and_hold_no_secret() -> None:
    with pytest.raises(NoMatchingSignature) as refused:
        standard_webhooks.verify([OTHER], headers(), BODY, now=NOW)
    assert str(refused.value) == "No signature matches a known secret."
    assert refused.value.code == "no_match"
    with pytest.raises(MissingHeader, match="webhook-id"):
        standard_webhooks.verify([OTHER], {}, BODY, now=NOW)
