"""Links that the host's application signs: which tokens are accepted, made by PyJWT and by hand."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest

from subscriptions.errors import Invalid
from subscriptions.portal_access.signed_links import MAX_LENGTH, is_signed, key_name, verify

KEY, OLD = "k" * 32, "o" * 32


@pytest.fixture(autouse=True)
def keys(settings: Any) -> None:
    settings.WAYPOST_PORTAL_KEYS = [KEY, OLD]


def claims(**changes: Any) -> dict[str, Any]:
    given = {"aud": "waypost-portal", "exp": int(time.time()) + 60, "jti": "1", "sub": "ada", "tenant": "acme"}
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def signed(key: str = KEY, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def by_hand(header: dict[str, Any] | bytes, body: dict[str, Any], key: str = KEY) -> str:
    def encoded(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).rstrip(b"=").decode()

    first = header if isinstance(header, bytes) else json.dumps(header).encode()
    text = f"{encoded(first)}.{encoded(json.dumps(body).encode())}"
    return f"{text}.{encoded(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


@pytest.mark.parametrize("key", [KEY, OLD])
def test_token_of_each_key_is_accepted_and_names_the_key(key: str) -> None:
    verified = verify(signed(key))
    assert verified
    assert (verified[0]["tenant"], verified[1]) == ("acme", key_name(key))
    assert key not in verified[1]


def test_token_made_by_hand_is_accepted() -> None:
    token = by_hand({"alg": "HS256", "typ": "JWT"}, claims())
    assert is_signed(token)
    assert verify(token)


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed("x" * 32),
        lambda: signed("k" * 64, algorithm="HS512"),
        lambda: jwt.encode(claims(), None, algorithm="none"),
        lambda: signed(exp=int(time.time()) - 120),
        lambda: signed(nbf=int(time.time()) + 600),
        lambda: signed()[:-2] + ("AA" if signed()[-2:] != "AA" else "BB"),
        lambda: by_hand({"alg": "HS256", "crit": ["b64"], "b64": False}, claims()),
        lambda: by_hand(b"[" * 2_000, claims()),
        lambda: by_hand(b"{}", claims()),
        lambda: by_hand({"alg": "HS256"}, claims(exp="soon")),
        lambda: "a.b.c",
        lambda: signed(padding="x" * MAX_LENGTH),
    ],
    ids=[
        *("another_key", "another_algorithm", "none", "expired", "not_yet", "changed", "critical", "deep"),
        *("no_algorithm", "no_number", "nonsense", "long"),
    ],
)
def test_token_that_is_not_valid_opens_nothing_and_says_nothing(token: Any) -> None:
    assert verify(token()) is None


def test_token_opens_nothing_without_keys(settings: Any) -> None:
    settings.WAYPOST_PORTAL_KEYS = []
    assert verify(signed()) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"aud": "another"}, "aud"),
        ({"aud": None}, "aud"),
        ({"exp": None}, "exp"),
        ({"exp": 2**33}, "exp"),
        ({"jti": None}, "jti"),
        ({"sub": None}, "sub"),
    ],
    ids=["audience", "no_audience", "no_expiry", "late_expiry", "no_id", "no_user"],
)
def test_wrong_claim_of_a_valid_signature_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        verify(signed(**changes))
    assert raised.value.field == field


@pytest.mark.parametrize(("changes", "field"), [({"sub": 7}, "sub"), ({"jti": 7}, "jti")])
def test_claim_of_another_type_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as raised:
        verify(by_hand({"alg": "HS256"}, claims(**changes)))
    assert raised.value.field == field


def test_wrong_claim_of_another_key_says_nothing() -> None:
    assert verify(signed("x" * 32, aud="another")) is None
