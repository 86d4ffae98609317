"""Hold an example of each sender's handshake, from its documentation: the request, and the response it expects."""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

TOKEN = "qgg8vlvZRS6UYooatFL8Aw"  # the plainToken in Zoom's documentation
VERIFY = "word"
PUBLIC = "https://example.com/in/ours/"


@dataclass(frozen=True)
class Handshake:
    """A request and its response. ``is_signed``: the request is signed as the sender signs its messages."""

    method: str = "POST"
    query: str = ""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    is_signed: bool = False
    status: int = 200
    text: str | None = None
    json: Any = None
    shown: dict[str, str] = field(default_factory=dict)  # headers of the response
    keeps: str = ""


def get(status: int = 200, *, text: str | None = None, json: Any = None, **query: str) -> Handshake:
    """Return a handshake by GET; names of parameters have ``hub_`` for ``hub.``."""
    named = {name.replace("hub_", "hub."): value for name, value in query.items()}
    return Handshake("GET", urlencode(named), status=status, text=text, json=json)


def digest(secret: str, token: str) -> bytes:
    return hmac.digest(secret.encode(), token.encode(), "sha256")


def handshakes(secret: str) -> dict[str, Handshake]:
    """Return the handshake of each sender, at a source with this secret."""
    ebay = hashlib.sha256(f"a8628072{VERIFY}{PUBLIC}".encode()).hexdigest()
    client = {"X-AdobeSign-ClientId": secret}
    return {
        "adobe-sign": Handshake("GET", headers=client, shown=client, json={"xAdobeSignClientId": secret}),
        "asana": Handshake(headers={"X-Hook-Secret": "b537207f20cbfa02"}, shown={"X-Hook-Secret": "b537207f20cbfa02"}),
        "discord": Handshake(body=b'{"version":1,"type":0}', is_signed=True, status=204),
        "discord-interactions": Handshake(body=b'{"id":"1","type":1}', is_signed=True, json={"type": 1}),
        "dropbox": get(challenge="abc123", text="abc123"),
        "ebay": get(challenge_code="a8628072", json={"challengeResponse": ebay}),
        "event-grid": Handshake(
            query=urlencode({"token": secret}),
            headers={"aeg-event-type": "SubscriptionValidation"},
            body=b'[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d-4e"}}]',
            json={"validationResponse": "512d-4e"},
        ),
        "fitbit": get(204, verify=VERIFY),
        "front": Handshake(
            body=b'{"type":"sync"}', headers={"X-Front-Challenge": "c1"}, is_signed=True, json={"challenge": "c1"}
        ),
        "intercom": Handshake("HEAD"),
        "linkedin": get(
            challengeCode="890e4665-4dfe",
            json={"challengeCode": "890e4665-4dfe", "challengeResponse": digest(secret, "890e4665-4dfe").hex()},
        ),
        "mailchimp": get(token=secret),
        "mandrill": Handshake("HEAD"),
        "meta": get(hub_mode="subscribe", hub_verify_token=VERIFY, hub_challenge="1158201444", text="1158201444"),
        "microsoft-graph": Handshake(
            query="validationToken=Validation%3a+Testing+client+application+Request-Id%3a+522a8e7e",
            text="Validation: Testing client application Request-Id: 522a8e7e",
        ),
        "monday": Handshake(body=b'{"challenge":"3eZbrw1aBm2r"}', json={"challenge": "3eZbrw1aBm2r"}),
        "notion": Handshake(
            body=b'{"verification_token":"secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce"}',
            keeps="secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce",
        ),
        "nylas": get(challenge="bc609b38-c81f", text="bc609b38-c81f"),
        "okta": Handshake("GET", headers={"X-Okta-Verification-Challenge": "c1"}, json={"verification": "c1"}),
        "onfleet": get(check="c1", text="c1"),
        "ringcentral": Handshake(headers={"Validation-Token": "v1"}, shown={"Validation-Token": "v1"}),
        "slack": Handshake(
            body=b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}',
            is_signed=True,
            json={"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"},
        ),
        "smartsheet": Handshake(
            headers={"Smartsheet-Hook-Challenge": "d78dd1d3-01ce-4481-81de-92b4f3aa5ab1"},
            body=b'{"challenge":"d78dd1d3-01ce-4481-81de-92b4f3aa5ab1","webhookId":2674017481058180}',
            shown={"Smartsheet-Hook-Response": "d78dd1d3-01ce-4481-81de-92b4f3aa5ab1"},
            json={"smartsheetHookResponse": "d78dd1d3-01ce-4481-81de-92b4f3aa5ab1"},
        ),
        "strava": get(
            hub_mode="subscribe",
            hub_verify_token=VERIFY,
            hub_challenge="15f7d1a91c1f40f8",
            json={"hub.challenge": "15f7d1a91c1f40f8"},
        ),
        "trello": Handshake("HEAD"),
        "twitch": Handshake(
            headers={"Twitch-Eventsub-Message-Type": "webhook_callback_verification"},
            body=b'{"challenge":"pogchamp-kappa-360noscope-vohiyo"}',
            is_signed=True,
            text="pogchamp-kappa-360noscope-vohiyo",
        ),
        "twitter": get(
            crc_token="MGYxYmY0", json={"response_token": "sha256=" + b64encode(digest(secret, "MGYxYmY0")).decode()}
        ),
        "websub": get(hub_mode="subscribe", hub_topic=VERIFY, hub_challenge="c1", text="c1"),
        "woocommerce": Handshake(headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"webhook_id=42"),
        "zoom": Handshake(
            body=b'{"payload":{"plainToken":"%b"},"event":"endpoint.url_validation"}' % TOKEN.encode(),
            is_signed=True,
            json={"plainToken": TOKEN, "encryptedToken": digest(secret, TOKEN).hex()},
        ),
    }
