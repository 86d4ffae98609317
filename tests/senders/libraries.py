"""Libraries that bring much with them, or warn when they are imported: installed by ``__main__`` only."""

import json
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import braintree
import gidgethub
import gidgethub.sansio
import google.auth.exceptions
import google.auth.jwt
import modern_treasury
import openai
import plivo.utils
import pusher
import quickbooks.client
import telnyx
import vonage_jwt
from box_sdk_gen.managers.webhooks import WebhooksManager
from braintree.exceptions.invalid_signature_error import InvalidSignatureError as BraintreeRefusal
from dropbox_sign import EventCallbackHelper
from dropbox_sign.models import EventCallbackRequest
from fintoc.errors import WebhookSignatureError as FintocRefusal
from fintoc.webhook import WebhookSignature as FintocSignature
from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.signature import Signature as HubSpotSignature
from linebot.v3.webhook import SignatureValidator as LineValidator
from mailgun.security import SecurityGuard
from mollie.utils.webhooks.signature_validator import InvalidSignatureException, SignatureValidator
from paddle_billing.Notifications import Secret, Verifier
from pyairtable.models import WebhookNotification
from pywa.utils import webhook_updates_validator
from sendgrid.helpers.eventwebhook import EventWebhook
from sinch.domains.authentication.sinch_events.v1 import authentication_validation as sinch
from workos import WorkOSClient

from tests.webhooks.senders.libraries.battery import Library
from tests.webhooks.senders.libraries.light import fields_of, header
from tests.webhooks.senders.rules import RSA, RULES, URL, Sent, pem
from webhooks.wire.header_values import lowered

TOLERANCE = 300  # seconds
BRAINTREE_EVENT = (
    b'<notification><kind>check</kind><subject><check type="boolean">true</check></subject></notification>'
)


def airtable(secret: str, sent: Sent) -> object:
    return WebhookNotification.from_request(sent.body.decode(), header(sent, "X-Airtable-Content-MAC"), secret)


def box(secret: str, sent: Sent) -> object:
    versions = {"box-signature-version": "1", "box-signature-algorithm": "HmacSHA256"}
    headers = {**lowered(sent.headers), **versions}
    return WebhooksManager.validate_message(sent.body.decode(), headers, secret, secondary_key=secret)


def braintree_gateway(secret: str) -> Any:
    keys = {"public_key": "x", "private_key": secret}  # samples of the preset have this public key
    return braintree.BraintreeGateway(
        braintree.Configuration(braintree.Environment.Sandbox, merchant_id="merchant", **keys)
    )


def braintree_notification(secret: str, sent: Sent) -> object:
    fields = fields_of(sent)
    return braintree_gateway(secret).webhook_notification.parse(fields["bt_signature"], fields["bt_payload"])


def signed_by_braintree(secret: str, now: int) -> Sent:
    fields = braintree_gateway(secret).webhook_testing.sample_notification("check", "1")
    return Sent({"Content-Type": "application/x-www-form-urlencoded"}, urlencode(fields).encode())


def dropbox_sign(secret: str, sent: Sent) -> object:
    document = json.loads(fields_of(sent)["json"])
    return EventCallbackHelper.is_valid(secret, EventCallbackRequest.init(document))


def github(secret: str, sent: Sent) -> object:
    return gidgethub.sansio.validate_event(sent.body, signature=header(sent, "X-Hub-Signature-256"), secret=secret)


def google_pubsub(_secret: str, sent: Sent) -> object:
    token = header(sent, "Authorization").removeprefix("Bearer ")
    audience = RULES["google-pubsub"].fields["options"]["audience"]
    return google.auth.jwt.decode(token, certs={"g1": pem(RSA)}, audience=audience)


def hubspot(secret: str, sent: Sent) -> object:
    return HubSpotSignature.is_valid(
        header(sent, "X-HubSpot-Signature-v3"),
        secret,
        sent.body.decode(),
        URL,
        signature_version="v3",
        timestamp=header(sent, "X-HubSpot-Request-Timestamp"),
    )


def line(secret: str, sent: Sent) -> object:
    return LineValidator(secret).validate(sent.body.decode(), header(sent, "X-Line-Signature"))


def mailgun(secret: str, sent: Sent) -> object:
    given = json.loads(sent.body)["signature"]
    return SecurityGuard.verify_webhook(secret, given["token"], given["timestamp"], given["signature"])


def meta(secret: str, sent: Sent) -> object:
    return webhook_updates_validator(secret, sent.body, header(sent, "X-Hub-Signature-256"))


def modern_treasury_webhook(secret: str, sent: Sent) -> object:
    client = modern_treasury.ModernTreasury(api_key="key", organization_id="organization")
    return client.webhooks.validate_signature(sent.body.decode(), {**sent.headers}, key=secret)


def mollie(secret: str, sent: Sent) -> object:
    return SignatureValidator.validate(sent.body.decode(), secret, header(sent, "X-Mollie-Signature"))


def openai_webhook(secret: str, sent: Sent) -> object:
    return openai.OpenAI(api_key="key").webhooks.verify_signature(sent.body, {**sent.headers}, secret=secret)


class PaddleRequest:
    """A request as Paddle's library takes it."""

    def __init__(self, sent: Sent) -> None:
        self.headers = {"Paddle-Signature": header(sent, "Paddle-Signature")}
        self.body = sent.body


def paddle(secret: str, sent: Sent) -> object:
    return Verifier(TOLERANCE).verify(PaddleRequest(sent), Secret(secret))


def plivo_request(secret: str, sent: Sent) -> object:
    name = "X-Plivo-Signature-V3"
    nonce, signature = header(sent, f"{name}-Nonce"), header(sent, name)
    return plivo.utils.validate_v3_signature("POST", URL, nonce, secret, signature, fields_of(sent))


def pusher_webhook(secret: str, sent: Sent) -> object:
    found = pusher.Pusher("1", "key", secret).validate_webhook("key", header(sent, "X-Pusher-Signature"), sent.body)
    return found is not None


def quickbooks_webhook(secret: str, sent: Sent) -> object:
    client = quickbooks.client.QuickBooks(verifier_token=secret, minorversion=75)
    return client.validate_webhook_signature(sent.body.decode(), header(sent, "intuit-signature"))


def sendgrid(secret: str, sent: Sent) -> object:
    name = "X-Twilio-Email-Event-Webhook-"
    signature, time = header(sent, f"{name}Signature"), header(sent, f"{name}Timestamp")
    return EventWebhook(secret).verify_signature(sent.body.decode(), signature, time)


def sinch_webhook(secret: str, sent: Sent) -> object:
    return sinch.validate_sinch_event_signature_with_nonce(secret, dict(sent.headers), sent.body.decode())


def telnyx_webhook(secret: str, sent: Sent) -> object:
    client = telnyx.Telnyx(api_key="key", public_key=secret)
    return client.webhooks.unwrap(sent.body.decode(), headers=dict(sent.headers))


def vonage(secret: str, sent: Sent) -> object:
    return vonage_jwt.verify_signature(header(sent, "Authorization").removeprefix("Bearer "), secret)


def workos(secret: str, sent: Sent) -> object:
    client = WorkOSClient(api_key="key", client_id="client")
    return client.webhooks.verify_header(
        event_body=sent.body, event_signature=header(sent, "WorkOS-Signature"), secret=secret
    )


LIBRARIES = [
    Library(
        "airtable",
        "pyairtable",
        airtable,
        (ValueError,),
        body=b'{"base":{"id":"app42"},"webhook":{"id":"ach1"},"timestamp":"2026-01-02T03:04:05.678Z"}',
    ),
    Library("box", "boxsdk", box, checks_time=True),
    Library(
        "braintree",
        "braintree",
        braintree_notification,
        (BraintreeRefusal,),
        body=urlencode({"bt_payload": b64encode(BRAINTREE_EVENT).decode() + "\n"}).encode(),
        altered=("bt_payload=PG5v", "bt_payload=PG5w"),
        signs=signed_by_braintree,
    ),
    Library(
        "dropbox-sign",
        "dropbox-sign",
        dropbox_sign,
        body=urlencode({"json": '{"event":{"event_type":"callback_test","event_time":"1348177752"}}'}).encode(),
        altered=("callback_test", "template_error"),
    ),
    Library(
        "fintoc",
        "fintoc",
        lambda secret, sent: FintocSignature.verify_header(
            sent.body.decode(), header(sent, "Fintoc-Signature"), secret
        ),
        (FintocRefusal,),
        checks_time=True,
    ),
    Library("github", "gidgethub", github, (gidgethub.ValidationFailure,)),
    Library("google-pubsub", "google-auth", google_pubsub, (google.auth.exceptions.GoogleAuthError,), altered=None),
    Library("hubspot", "hubspot-api-client", hubspot, (InvalidSignatureTimestampError,), checks_time=True),
    Library("line", "line-bot-sdk", line),
    Library("mailgun", "mailgun", mailgun, altered=('"token":"test"', '"token":"lost"'), checks_time=True),
    Library("meta", "pywa", meta),
    Library("modern-treasury", "modern-treasury", modern_treasury_webhook),
    Library("mollie", "mollie-api-py", mollie, (InvalidSignatureException,)),
    Library("openai", "openai", openai_webhook, (openai.InvalidWebhookSignatureError,), checks_time=True),
    Library("paddle", "paddle-python-sdk", paddle, checks_time=True),
    Library("plivo", "plivo", plivo_request, body=b"To=15551234567&From=15557654321&Text=42"),
    Library("pusher", "pusher", pusher_webhook, body=b'{"time_ms":NOW_MS,"events":[{"name":"42"}]}'),
    Library("quickbooks", "python-quickbooks", quickbooks_webhook),
    Library("sendgrid", "sendgrid", sendgrid),
    Library(
        "sinch",
        "sinch",
        lambda secret, sent: sinch.validate_sinch_event_signature_with_nonce(
            secret, dict(sent.headers), sent.body.decode()
        ),
    ),
    Library("telnyx", "telnyx", telnyx_webhook, (ValueError, telnyx.TelnyxError), checks_time=True),
    Library("vonage", "vonage-jwt", vonage, altered=None),
    Library("workos", "workos", workos, (ValueError,), checks_time=True),
]
