"""Libraries that are installed for all tests: small, with hardly a dependency that the tests do not have anyway."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import discord_interactions
import gocardless_pro.errors
import gocardless_pro.webhooks
import razorpay
import razorpay.errors
import replicate.webhook
import resend
import slack_sdk.signature
import standardwebhooks
import stripe
import svix.webhooks
import twilio.request_validator
from Adyen.util import is_valid_hmac_notification
from anymail.exceptions import AnymailWebhookValidationFailure
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.mandrill import MandrillCombinedWebhookView
from coinbase_commerce.error import SignatureVerificationError as CoinbaseRefusal
from coinbase_commerce.webhook import Webhook as CoinbaseWebhook
from django.test import RequestFactory
from easypost.errors import SignatureVerificationError as EasyPostRefusal
from easypost.util import validate_webhook
from mercadopago.webhook import InvalidWebhookSignatureError, WebhookSignatureValidator
from square.utils.webhooks_helper import verify_signature as verify_square

from tests.webhooks.senders.libraries.battery import Library
from tests.webhooks.senders.rules import RULES, URL, Sent
from webhooks.wire.header_values import lowered


def header(sent: Sent, name: str) -> str:
    return lowered(sent.headers)[name.lower()]


def fields_of(sent: Sent) -> dict[str, str]:
    return dict(parse_qsl(sent.body.decode(), keep_blank_values=True))


def adyen(secret: str, sent: Sent) -> object:
    return is_valid_hmac_notification(json.loads(sent.body), secret)


def discord(secret: str, sent: Sent) -> object:
    signature, time = header(sent, "X-Signature-Ed25519"), header(sent, "X-Signature-Timestamp")
    return discord_interactions.verify_key(sent.body, signature, time, secret)


def mercado_pago(secret: str, sent: Sent) -> object:
    signature, request_id = header(sent, "x-signature"), header(sent, "x-request-id")
    data_id = dict(parse_qsl(sent.query))["data.id"]
    return WebhookSignatureValidator.validate(signature, request_id, data_id, secret, tolerance_seconds=300)


def replicate_webhook(secret: str, sent: Sent) -> object:
    key = replicate.webhook.WebhookSigningSecret(key=secret)
    validate: Any = replicate.webhook.Webhooks.validate
    return validate(headers=dict(sent.headers), body=sent.body.decode(), secret=key, tolerance=300)


def resend_webhook(secret: str, sent: Sent) -> object:
    headers = {
        name.removeprefix("svix-"): header(sent, name) for name in ("svix-id", "svix-timestamp", "svix-signature")
    }
    return resend.Webhooks.verify({"payload": sent.body.decode(), "headers": headers, "webhook_secret": secret})  # type: ignore[typeddict-item]


def by_view_of_anymail(view: Any, secret: str, sent: Sent) -> object:
    """Let a view of django-anymail, which has no key yet, validate a message."""
    others = {name: value for name, value in sent.headers.items() if name.lower() != "content-type"}
    request = RequestFactory().generic(
        "POST",
        URL,
        sent.body,
        lowered(sent.headers).get("content-type", "application/json"),
        secure=True,
        headers={**others, "host": "example.com"},
    )
    return view(secret).validate_request(request)


def standard(secret: str, sent: Sent) -> object:
    return standardwebhooks.Webhook(secret).verify(sent.body, dict(sent.headers))


def with_svix(secret: str, sent: Sent) -> object:
    return svix.webhooks.Webhook(secret).verify(sent.body, dict(sent.headers))


def twilio_request(secret: str, sent: Sent) -> object:
    validator = twilio.request_validator.RequestValidator(secret)
    content = sent.body.decode() if sent.query else fields_of(sent)
    return validator.validate(f"{URL}?{sent.query}".rstrip("?"), content, header(sent, "X-Twilio-Signature"))


def slack(secret: str, sent: Sent) -> object:
    return slack_sdk.signature.SignatureVerifier(secret).is_valid_request(sent.body, dict(sent.headers))


def square(secret: str, sent: Sent) -> object:
    return verify_square(
        request_body=sent.body.decode(),
        signature_header=header(sent, "x-square-hmacsha256-signature"),
        signature_key=secret,
        notification_url=URL,
    )


STANDARD_REFUSES = (standardwebhooks.WebhookVerificationError,)
SVIX_REFUSES = (svix.webhooks.WebhookVerificationError,)

LIBRARIES = [
    Library("adyen", "adyen", adyen, altered=('"success":"test"', '"success":"lost"')),
    Library(
        "coinbase-commerce",
        "coinbase-commerce",
        lambda secret, sent: CoinbaseWebhook.construct_event(
            sent.body.decode(), header(sent, "X-CC-Webhook-Signature"), secret
        ),
        (CoinbaseRefusal,),
        body=b'{"event":{"id":"e1","type":"charge:created","data":{"code":"42"}}}',
    ),
    *(Library(name, "discord-interactions", discord) for name in ("discord", "discord-interactions")),
    Library(
        "easypost",
        "easypost",
        lambda secret, sent: validate_webhook(
            sent.body, {"X-Hmac-Signature": header(sent, "X-Hmac-Signature")}, secret
        ),
        (EasyPostRefusal,),
    ),
    Library(
        "gocardless",
        "gocardless-pro",
        lambda secret, sent: gocardless_pro.webhooks.parse(sent.body, secret, header(sent, "Webhook-Signature")),
        (gocardless_pro.errors.InvalidSignatureError,),
        body=b'{"events":[{"id":"EV42"}]}',
    ),
    Library(
        "mailgun",
        "django-anymail",
        lambda secret, sent: by_view_of_anymail(
            lambda key: MailgunTrackingWebhookView(webhook_signing_key=key), secret, sent
        ),
        (AnymailWebhookValidationFailure,),
        altered=('"token":"test"', '"token":"lost"'),
    ),
    Library(
        "mandrill",
        "django-anymail",
        lambda secret, sent: by_view_of_anymail(
            lambda key: MandrillCombinedWebhookView(webhook_key=key, webhook_url=URL), secret, sent
        ),
        (AnymailWebhookValidationFailure,),
        body=urlencode({"mandrill_events": '[{"event":"send","ts":42}]', "a": "ä"}).encode(),
    ),
    Library(
        "mercado-pago",
        "mercadopago",
        mercado_pago,
        (InvalidWebhookSignatureError,),
        altered=("data.id=test", "data.id=lost"),
        checks_time=True,
    ),
    Library(
        "razorpay",
        "razorpay",
        lambda secret, sent: razorpay.Utility().verify_webhook_signature(
            sent.body.decode(), header(sent, "X-Razorpay-Signature"), secret
        ),
        (razorpay.errors.SignatureVerificationError,),
    ),
    Library(
        "replicate",
        "replicate",
        replicate_webhook,
        (replicate.webhook.InvalidSignatureError, replicate.webhook.InvalidTimestampError),
        checks_time=True,
    ),
    Library("resend", "resend", resend_webhook, (ValueError,), checks_time=True),
    Library("slack", "slack_sdk", slack, checks_time=True),
    Library("square", "squareup", square),
    Library(
        "stripe",
        "stripe",
        lambda secret, sent: stripe.WebhookSignature.verify_header(
            sent.body.decode(), header(sent, "Stripe-Signature"), secret, 300
        ),
        (stripe.SignatureVerificationError,),
        checks_time=True,
    ),
    *(Library(name, "twilio", twilio_request, signs=RULES["twilio"].sign) for name in ("twilio", "twilio-voice")),
    *(Library(name, "svix", with_svix, SVIX_REFUSES, checks_time=True) for name in ("clerk", "svix")),
    *(
        Library(name, "standardwebhooks", standard, STANDARD_REFUSES, checks_time=True)
        for name in ("brex", "gitlab-signing-token", "incident-io", "loops", "render")
    ),
]
"""One for each sender and library. The senders of the last two groups sign with Svix or by Standard Webhooks."""
