"""Check that every scheme refuses a proof from the future as it refuses an old one.

The batteries of the schemes sign as the providers document; this table signs with the providers' own libraries.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from unittest.mock import Mock

import jwt
import pytest
import standardwebhooks
import stripe
import svix.webhooks
from slack_sdk.signature import Clock, SignatureVerifier

from tests.webhooks.schemes.battery import BODY, NOW, SchemeBattery
from webhooks import schemes
from webhooks.wire.errors import StaleTimestamp

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
TEXT = BODY.decode()
TIMED = {"standard", "svix", "stripe", "slack", "hmac", "jwt", "paypal", "sns", "public_key"}

Signer = Callable[[int], Mapping[str, str]]


def sign_by_standard_webhooks(now: int) -> dict[str, str]:
    signature = standardwebhooks.Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(now, UTC), TEXT)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}


def sign_by_svix(now: int) -> dict[str, str]:
    signature = svix.webhooks.Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(now, UTC), TEXT)
    return {"svix-id": "msg_1", "svix-timestamp": str(now), "svix-signature": signature}


def sign_by_stripe(now: int) -> dict[str, str]:
    return {"stripe-signature": stripe.WebhookSignature.generate_signature_header(TEXT, SECRET, now)}


def sign_by_slack(now: int) -> dict[str, str]:
    sdk = SignatureVerifier(SECRET, clock=Mock(Clock, now=lambda: now))
    signature = sdk.generate_signature(timestamp=str(now), body=BODY) or ""
    return {"x-slack-request-timestamp": str(now), "x-slack-signature": signature}


def token_with(claim: str) -> Signer:
    """Return a signer of a token that has this claim and does not expire for long."""

    def sign(now: int) -> dict[str, str]:
        claims = {"exp": now + 10**8, claim: now} if claim == "nbf" else {claim: now}
        return {"authorization": "Bearer " + jwt.encode(claims, SECRET)}

    return sign


LIBRARIES: list[tuple[str, Signer]] = [
    ("standard", sign_by_standard_webhooks),
    ("svix", sign_by_svix),
    ("stripe", sign_by_stripe),
    ("slack", sign_by_slack),
    ("jwt", token_with("iat")),
    ("jwt", token_with("nbf")),
]
IDS = ["standard", "svix", "stripe", "slack", "jwt-iat", "jwt-nbf"]


@pytest.mark.parametrize(("scheme", "sign"), LIBRARIES, ids=IDS)
@pytest.mark.parametrize("ahead", [301, 3600, 86_400, 10**9])
def test_proof_of_a_library_from_the_future_is_rejected(scheme: str, sign: Signer, ahead: int) -> None:
    with pytest.raises(StaleTimestamp):
        schemes.verify(scheme, [SECRET], sign(NOW + ahead), BODY, now=NOW)


@pytest.mark.parametrize(("scheme", "sign"), LIBRARIES, ids=IDS)
@pytest.mark.parametrize("ahead", [-300, 0, 1, 300])
def test_proof_of_a_library_within_the_tolerance_is_accepted(scheme: str, sign: Signer, ahead: int) -> None:
    schemes.verify(scheme, [SECRET], sign(NOW + ahead), BODY, now=NOW)


def test_every_scheme_has_a_battery_that_says_whether_it_signs_a_time() -> None:
    here = Path(__file__).parent
    names = [f"{__package__}.{file.stem}" for file in here.glob("test_*.py") if file != Path(__file__)]
    modules = [import_module(name) for name in names]
    batteries = {value for module in modules for value in vars(module).values() if is_battery(value)}
    assert {battery.scheme for battery in batteries} == schemes.SCHEMES.keys() - {"none"}
    assert {battery.scheme for battery in batteries if battery.signs_time} == TIMED


def is_battery(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, SchemeBattery) and value.__name__.startswith("Test")
