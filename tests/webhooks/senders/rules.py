"""Sign messages as each sender documents it: small implementations that share no code with the presets.

Where the sender or its library publishes an example with a secret, `vectors` has it. For the others the signature is
derived here from the documented rule.
"""

import hashlib
import hmac
import json
import zlib
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jwt
import standardwebhooks
import stripe
import svix.webhooks
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from twilio.request_validator import RequestValidator

from tests.webhooks.schemes.authority import CertificateHost, certificate
from tests.webhooks.schemes.authority import signature as certified_signature
from tests.webhooks.schemes.test_sns import URL as SNS_CERTIFICATE
from tests.webhooks.schemes.test_sns import notification as sns_notification
from webhooks.schemes.scheme import FetchKeys, fetch_unavailable

URL = "https://example.com/in/src_1/"
BODY = b'{"id":"m1","type":"order.paid","data":{"total":"42"}}'
FORM = "application/x-www-form-urlencoded"
TEXT, OTHER_TEXT = "a secret of the sender", "another secret of it"
HEX, OTHER_HEX = "00ff" * 16, "ff00" * 16
B64, OTHER_B64 = b64encode(b"k" * 32).decode(), b64encode(b"o" * 32).decode()
WHSEC, OTHER_WHSEC = f"whsec_{B64}", f"whsec_{OTHER_B64}"


@dataclass(frozen=True)
class Sent:
    """A signed message; ``proof`` are the headers without which it has none."""

    headers: dict[str, str]
    body: bytes = BODY
    query: str = ""
    proof: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """The rule of one sender. ``altered`` changes what is signed, in the sent body."""

    sign: Callable[[str, int], Sent]
    secret: str = TEXT
    other: str = OTHER_TEXT
    timed: bool = False
    altered: tuple[bytes, bytes] | None = (b"42", b"43")
    fetch: FetchKeys = fetch_unavailable
    fields: dict[str, Any] = field(default_factory=dict)


def mac(secret: str | bytes, content: bytes, digest: str = "sha256") -> bytes:
    return hmac.digest(secret.encode() if isinstance(secret, str) else secret, content, digest)


def base64(raw: bytes) -> str:
    return b64encode(raw).decode()


# Header, text before the signature, digest, encoding: the body is signed with the secret as text.
OF_BODY: dict[str, tuple[str, str, str, Callable[[bytes], str]]] = {
    "alchemy": ("X-Alchemy-Signature", "", "sha256", bytes.hex),
    "asana": ("X-Hook-Signature", "", "sha256", bytes.hex),
    "bitbucket": ("X-Hub-Signature", "sha256=", "sha256", bytes.hex),
    "cal-com": ("X-Cal-Signature-256", "", "sha256", bytes.hex),
    "checkout-com": ("Cko-Signature", "", "sha256", bytes.hex),
    "circleci": ("circleci-signature", "v1=", "sha256", bytes.hex),
    "clicksign": ("Content-Hmac", "sha256=", "sha256", bytes.hex),
    "clickup": ("X-Signature", "", "sha256", bytes.hex),
    "coinbase-commerce": ("X-CC-Webhook-Signature", "", "sha256", bytes.hex),
    "docusign": ("X-DocuSign-Signature-1", "", "sha256", base64),
    "dropbox": ("X-Dropbox-Signature", "", "sha256", bytes.hex),
    "dub": ("Dub-Signature", "", "sha256", bytes.hex),
    "dwolla": ("X-Request-Signature-SHA-256", "", "sha256", bytes.hex),
    "easypost": ("X-Hmac-Signature", "hmac-sha256-hex=", "sha256", bytes.hex),
    "expo": ("expo-signature", "sha1=", "sha1", bytes.hex),
    "fastspring": ("X-FS-Signature", "", "sha256", base64),
    "forgejo": ("X-Forgejo-Signature", "", "sha256", bytes.hex),
    "gitea": ("X-Gitea-Signature", "", "sha256", bytes.hex),
    "github": ("X-Hub-Signature-256", "sha256=", "sha256", bytes.hex),
    "gocardless": ("Webhook-Signature", "", "sha256", bytes.hex),
    "help-scout": ("X-HelpScout-Signature", "", "sha1", base64),
    "heroku": ("Heroku-Webhook-Hmac-SHA256", "", "sha256", base64),
    "hookdeck": ("x-hookdeck-signature", "", "sha256", base64),
    "intercom": ("X-Hub-Signature", "sha1=", "sha1", bytes.hex),
    "jira": ("X-Hub-Signature", "sha256=", "sha256", bytes.hex),
    "launchdarkly": ("X-LD-Signature", "", "sha256", bytes.hex),
    "lemon-squeezy": ("X-Signature", "", "sha256", bytes.hex),
    "line": ("x-line-signature", "", "sha256", base64),
    "meta": ("X-Hub-Signature-256", "sha256=", "sha256", bytes.hex),
    "modern-treasury": ("X-Signature", "", "sha256", bytes.hex),
    "mollie": ("X-Mollie-Signature", "sha256=", "sha256", bytes.hex),
    "mongodb-atlas": ("X-MMS-Signature", "", "sha1", base64),
    "notion": ("X-Notion-Signature", "sha256=", "sha256", bytes.hex),
    "nylas": ("X-Nylas-Signature", "", "sha256", bytes.hex),
    "pagerduty": ("X-PagerDuty-Signature", "v1=", "sha256", bytes.hex),
    "patreon": ("X-Patreon-Signature", "", "md5", bytes.hex),
    "paystack": ("X-Paystack-Signature", "", "sha512", bytes.hex),
    "pusher": ("X-Pusher-Signature", "", "sha256", bytes.hex),
    "quickbooks": ("intuit-signature", "", "sha256", base64),
    "razorpay": ("X-Razorpay-Signature", "", "sha256", bytes.hex),
    "segment": ("X-Signature", "", "sha1", bytes.hex),
    "sentry": ("Sentry-Hook-Signature", "", "sha256", bytes.hex),
    "shopify": ("X-Shopify-Hmac-Sha256", "", "sha256", base64),
    "smartsheet": ("Smartsheet-Hmac-SHA256", "", "sha256", bytes.hex),
    "snyk": ("X-Hub-Signature", "sha256=", "sha256", bytes.hex),
    "terraform": ("X-TFE-Notification-Signature", "", "sha512", bytes.hex),
    "twitter": ("x-twitter-webhooks-signature", "sha256=", "sha256", base64),
    "typeform": ("Typeform-Signature", "sha256=", "sha256", base64),
    "vercel": ("x-vercel-signature", "", "sha1", bytes.hex),
    "websub": ("X-Hub-Signature", "sha512=", "sha512", bytes.hex),
    "woocommerce": ("X-WC-Webhook-Signature", "", "sha256", base64),
    "xero": ("x-xero-signature", "", "sha256", base64),
    "yousign": ("X-Yousign-Signature-256", "sha256=", "sha256", bytes.hex),
}

# Header, the value as a template, between time and body, units per second.
OF_TIME_AND_BODY: dict[str, tuple[str, str, bytes, int]] = {
    "buildkite": ("X-Buildkite-Signature", "timestamp={},signature={}", b".", 1),
    "calendly": ("Calendly-Webhook-Signature", "t={},v1={}", b".", 1),
    "cloudflare-stream": ("Webhook-Signature", "time={},sig1={}", b".", 1),
    "fintoc": ("Fintoc-Signature", "t={},v1={}", b".", 1),
    "mux": ("Mux-Signature", "t={},v1={}", b".", 1),
    "paddle": ("Paddle-Signature", "ts={};h1={}", b":", 1),
    "persona": ("Persona-Signature", "t={},v1={}", b".", 1),
    "shippo": ("Shippo-Auth-Signature", "t={},v1={}", b".", 1),
    "recurly": ("recurly-signature", "{},{}", b".", 1000),
    "tailscale": ("Tailscale-Webhook-Signature", "t={},v1={}", b".", 1),
    "tiktok": ("Tiktok-Signature", "t={},s={}", b".", 1),
    "workos": ("WorkOS-Signature", "t={}, v1={}", b".", 1000),
}


def of_body(header: str, before: str, digest: str, encode: Callable[[bytes], str]) -> Rule:
    def sign(secret: str, now: int) -> Sent:
        return Sent({header: before + encode(mac(secret, BODY, digest))}, proof=(header,))

    return Rule(sign)


def of_time_and_body(header: str, template: str, between: bytes, units: int) -> Rule:
    def sign(secret: str, now: int) -> Sent:
        time = str(now * units)
        return Sent({header: template.format(time, mac(secret, time.encode() + between + BODY).hex())}, proof=(header,))

    return Rule(sign, timed=True)


def with_key(decode: Callable[[str], bytes], secret: str, other: str, header: str, **how: Any) -> Rule:
    """Return the rule of a sender whose secret is decoded."""

    def sign(text: str, now: int) -> Sent:
        signature = mac(decode(text), BODY, how.get("digest", "sha256"))
        return Sent({header: how.get("before", "") + how.get("encode", bytes.hex)(signature)}, proof=(header,))

    return Rule(sign, secret, other)


def token(header: str) -> Rule:
    return Rule(lambda secret, now: Sent({header: secret}, proof=(header,)), altered=None)


def in_query(secret: str, now: int) -> Sent:
    return Sent({}, query=urlencode({"token": secret}))


def basic(secret: str, now: int) -> Sent:
    return Sent({"Authorization": "Basic " + base64(secret.encode())}, proof=("Authorization",))


BASIC = Rule(basic, "user:password", "user:other", altered=None)


def iso(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def standard(secret: str, now: int) -> Sent:
    signature = standardwebhooks.Webhook(secret).sign("msg_1", datetime.fromtimestamp(now, UTC), BODY.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    return Sent(headers, proof=tuple(headers))


def svix_headers(secret: str, now: int) -> Sent:
    signature = svix.webhooks.Webhook(secret).sign("msg_1", datetime.fromtimestamp(now, UTC), BODY.decode())
    headers = {"svix-id": "msg_1", "svix-timestamp": str(now), "svix-signature": signature}
    return Sent(headers, proof=tuple(headers))


STANDARD = Rule(standard, WHSEC, OTHER_WHSEC, timed=True)
SVIX = Rule(svix_headers, WHSEC, OTHER_WHSEC, timed=True)


def timed(header: str, time_header: str, content: Callable[[bytes, bytes], bytes], **how: Any) -> Rule:
    """Return the rule of a sender that signs a time in a header of its own."""

    def sign(secret: str, now: int) -> Sent:
        time = iso(now) if how.get("iso") else str(now * how.get("units", 1))
        signature = how.get("encode", bytes.hex)(mac(secret, content(time.encode(), BODY)))
        headers = {header: how.get("before", "") + signature, time_header: time, **how.get("more", {})}
        return Sent(headers, proof=(header, time_header))

    return Rule(sign, timed=True)


# Public keys.

EDWARDS, OTHER_EDWARDS = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
CURVE, OTHER_CURVE = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
RSA, OTHER_RSA = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def raw_key(key: ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def der(key: Any) -> str:
    return base64(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def discord(secret: str, now: int) -> Sent:
    key = EDWARDS if secret == raw_key(EDWARDS).hex() else OTHER_EDWARDS
    headers = {"X-Signature-Ed25519": key.sign(b"%d%b" % (now, BODY)).hex(), "X-Signature-Timestamp": str(now)}
    return Sent(headers, proof=tuple(headers))


DISCORD = Rule(discord, raw_key(EDWARDS).hex(), raw_key(OTHER_EDWARDS).hex(), timed=True)


def telnyx(secret: str, now: int) -> Sent:
    key = EDWARDS if secret == base64(raw_key(EDWARDS)) else OTHER_EDWARDS
    headers = {"telnyx-signature-ed25519": base64(key.sign(b"%d|%b" % (now, BODY))), "telnyx-timestamp": str(now)}
    return Sent(headers, proof=tuple(headers))


def sendgrid(secret: str, now: int) -> Sent:
    key = CURVE if secret == der(CURVE) else OTHER_CURVE
    name = "X-Twilio-Email-Event-Webhook-"
    signature = key.sign(b"%d%b" % (now, BODY), ec.ECDSA(hashes.SHA256()))
    headers = {f"{name}Signature": base64(signature), f"{name}Timestamp": str(now)}
    return Sent(headers, proof=tuple(headers))


def ebay(secret: str, now: int) -> Sent:
    key = CURVE if secret == pem(CURVE) else OTHER_CURVE
    signature = base64(key.sign(BODY, ec.ECDSA(hashes.SHA1())))
    envelope = {"alg": "ecdsa", "kid": "9936261a-7d7b-4621-a0f1-96ccb428af49", "signature": signature, "digest": "SHA1"}
    return Sent({"X-EBAY-SIGNATURE": base64(json.dumps(envelope).encode())}, proof=("X-EBAY-SIGNATURE",))


def wise(secret: str, now: int) -> Sent:
    key = RSA if secret == pem(RSA) else OTHER_RSA
    signature = base64(key.sign(BODY, padding.PKCS1v15(), hashes.SHA256()))
    return Sent({"X-Signature-SHA256": signature}, proof=("X-Signature-SHA256",))


def secret_scanning(_secret: str, now: int) -> Sent:
    signature = base64(CURVE.sign(BODY, ec.ECDSA(hashes.SHA256())))
    headers = {"Github-Public-Key-Identifier": "key1", "Github-Public-Key-Signature": signature}
    return Sent(headers, proof=tuple(headers))


SECRET_SCANNING_KEYS = json.dumps(
    {"public_keys": [{"key_identifier": "key1", "key": pem(CURVE), "is_current": True}]}
).encode()
GOOGLE_KEYS = json.dumps({"keys": [{**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "g1"}]}).encode()


def publishes(document: bytes) -> FetchKeys:
    def fetch(_url: str, /, *, newer: bool = False) -> bytes:
        return document

    return fetch


# Tokens.


def bearer(claims: Callable[[int], dict[str, Any]], header: str = "Authorization", before: str = "Bearer ") -> Rule:
    def sign(secret: str, now: int) -> Sent:
        return Sent({header: before + jwt.encode(claims(now), secret)}, proof=(header,))

    long, other = "a shared secret of 32 bytes or so", "another shared secret of 32 bytes"
    return Rule(sign, long, other, altered=None)


def google_pubsub(_secret: str, now: int) -> Sent:
    claims = {"iss": "https://accounts.google.com", "aud": "https://us.example.com", "iat": now, "exp": now + 3600}
    text = jwt.encode(claims, RSA, "RS256", headers={"kid": "g1"})
    return Sent({"Authorization": f"Bearer {text}"}, proof=("Authorization",))


def plaid_key(key: ec.EllipticCurvePrivateKey) -> str:
    return json.dumps({**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "p1", "use": "sig"})


def plaid(secret: str, now: int) -> Sent:
    key = CURVE if secret == plaid_key(CURVE) else OTHER_CURVE
    claims = {"iat": now, "request_body_sha256": hashlib.sha256(BODY).hexdigest()}
    return Sent(
        {"Plaid-Verification": jwt.encode(claims, key, "ES256", headers={"kid": "p1"})}, proof=("Plaid-Verification",)
    )


def hashed(claims: dict[str, Any], claim: str) -> Callable[[int], dict[str, Any]]:
    return lambda now: {**claims, claim: hashlib.sha256(BODY).hexdigest()}


# Proofs in the body.

ADYEN_ITEM = {
    "pspReference": "7914073381342284",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "TestPayment-1407325143704",
    "amount": {"value": 1130, "currency": "EUR"},
    "eventCode": "AUTHORISATION",
    "success": "true",
}


def adyen(secret: str, now: int) -> Sent:
    content = "7914073381342284::TestMerchant:TestPayment-1407325143704:1130:EUR:AUTHORISATION:true"
    signature = base64(mac(bytes.fromhex(secret), content.encode()))
    item = {**ADYEN_ITEM, "additionalData": {"hmacSignature": signature}}
    document = {"live": "false", "notificationItems": [{"NotificationRequestItem": item}]}
    return Sent({}, json.dumps(document).encode())


def mailgun(secret: str, now: int) -> Sent:
    signed = {"timestamp": str(now), "token": "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"}
    signature = mac(secret, f"{signed['timestamp']}{signed['token']}".encode()).hex()
    document = {"signature": {**signed, "signature": signature}, "event-data": {"id": "e1", "event": "opened"}}
    return Sent({}, json.dumps(document).encode())


def braintree(secret: str, now: int) -> Sent:
    payload = base64(b"<notification><kind>check</kind></notification>") + "\n"
    signature = mac(hashlib.sha1(secret.encode()).digest(), payload.encode(), "sha1").hex()
    fields = {"bt_signature": f"other_key|{'0' * 40}&public_key|{signature}", "bt_payload": payload}
    return Sent({"Content-Type": FORM}, urlencode(fields).encode())


def dropbox_sign(secret: str, now: int) -> Sent:
    event = {"event_time": "1348177752", "event_type": "signature_request_sent"}
    signature = mac(secret, b"1348177752signature_request_sent").hex()
    document = json.dumps({"event": {**event, "event_hash": signature}})
    body = f'--x\r\nContent-Disposition: form-data; name="json"\r\n\r\n{document}\r\n--x--\r\n'
    return Sent({"Content-Type": "multipart/form-data; boundary=x"}, body.encode())


def linear(secret: str, now: int) -> Sent:
    body = json.dumps({"type": "Issue", "total": "42", "webhookTimestamp": now * 1000 + 7}).encode()
    return Sent({"Linear-Signature": mac(secret, body).hex()}, body, proof=("Linear-Signature",))


def figma(secret: str, now: int) -> Sent:
    return Sent({}, json.dumps({"event_type": "FILE_UPDATE", "passcode": secret}).encode())


def graph(secret: str, now: int) -> Sent:
    changes = [{"clientState": secret, "changeType": "created"}, {"clientState": secret, "changeType": "updated"}]
    return Sent({}, json.dumps({"value": changes}).encode())


def mandrill(secret: str, now: int) -> Sent:
    fields = {"mandrill_events": '[{"event":"send","total":42}]', "a": "1"}
    content = URL + "a1" + "mandrill_events" + fields["mandrill_events"]
    headers = {"Content-Type": FORM, "X-Mandrill-Signature": base64(mac(secret, content.encode(), "sha1"))}
    return Sent(headers, urlencode(fields).encode(), proof=("X-Mandrill-Signature",))


def plivo(secret: str, now: int) -> Sent:
    fields = {"To": "15551234567", "From": "15557654321", "Text": "42"}
    content = URL + "?" + "".join(name + fields[name] for name in sorted(fields)) + ".n0nce"
    name = "X-Plivo-Signature-V3"
    headers = {"Content-Type": FORM, name: base64(mac(secret, content.encode())), f"{name}-Nonce": "n0nce"}
    return Sent(headers, urlencode(fields).encode(), proof=(name, f"{name}-Nonce"))


def contentful(secret: str, now: int) -> Sent:
    listing = "x-contentful-signed-headers,x-contentful-timestamp,x-contentful-topic"
    named = {"signed-headers": listing, "timestamp": f"{now}000", "topic": "ContentManagement.Entry.publish"}
    signed = ";".join(f"x-contentful-{name}:{value}" for name, value in named.items())
    signature = mac(secret, "\n".join(["POST", "/in/src_1/", signed, BODY.decode()]).encode()).hex()
    headers = {f"x-contentful-{name}": value for name, value in {**named, "signature": signature}.items()}
    return Sent(headers, proof=tuple(headers))


def klaviyo(secret: str, now: int) -> Sent:
    time = datetime.fromtimestamp(now, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"Klaviyo-Signature": mac(secret, BODY + time.encode()).hex(), "Klaviyo-Timestamp": time}
    return Sent(headers, proof=tuple(headers))


def mercado_pago(secret: str, now: int) -> Sent:
    signature = mac(secret, b"id:ORD01JQ4;request-id:r1;ts:%d;" % now).hex()
    headers = {"x-signature": f"ts={now},v1={signature}", "x-request-id": "r1"}
    return Sent(headers, query="data.id=ORD01JQ4&type=payment", proof=tuple(headers))


def twilio(secret: str, now: int) -> Sent:
    fields = {"MessageSid": "SM1", "Body": "42"}
    signature = RequestValidator(secret).compute_signature(URL, fields)
    return Sent(
        {"Content-Type": FORM, "X-Twilio-Signature": signature},
        urlencode(fields).encode(),
        proof=("X-Twilio-Signature",),
    )


def trello(secret: str, now: int) -> Sent:
    signature = base64(mac(secret, BODY + URL.encode(), "sha1"))
    return Sent({"X-Trello-Webhook": signature}, proof=("X-Trello-Webhook",))


def square(secret: str, now: int) -> Sent:
    signature = base64(mac(secret, URL.encode() + BODY))
    return Sent({"x-square-hmacsha256-signature": signature}, proof=("x-square-hmacsha256-signature",))


def hubspot(secret: str, now: int) -> Sent:
    signature = base64(mac(secret, b"POST" + URL.encode() + BODY + b"%d000" % now))
    headers = {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": f"{now}000"}
    return Sent(headers, proof=tuple(headers))


def sinch(secret: str, now: int) -> Sent:
    name = "x-sinch-webhook-signature"
    signature = base64(mac(secret, BODY + b".n0nce.%d" % now))
    headers = {name: signature, f"{name}-nonce": "n0nce", f"{name}-timestamp": str(now)}
    return Sent(headers, proof=tuple(headers))


def sanity(secret: str, now: int) -> Sent:
    signature = urlsafe_b64encode(mac(secret, b"%d000.%b" % (now, BODY))).decode().rstrip("=")
    return Sent({"sanity-webhook-signature": f"t={now}000,v1={signature}"}, proof=("sanity-webhook-signature",))


def twitch(secret: str, now: int) -> Sent:
    name, time = "Twitch-Eventsub-Message-", f"{iso(now)[:-1]}.634234626Z"
    signature = "sha256=" + mac(secret, b"e1" + time.encode() + BODY).hex()
    headers = {f"{name}Id": "e1", f"{name}Timestamp": time, f"{name}Signature": signature}
    return Sent(headers, proof=tuple(headers))


def linkedin(secret: str, now: int) -> Sent:
    return Sent({"X-LI-Signature": mac(secret, b"hmacsha256=" + BODY).hex()}, proof=("X-LI-Signature",))


def recharge(secret: str, now: int) -> Sent:
    digest = hashlib.sha256(secret.encode() + BODY).hexdigest()
    return Sent({"X-Recharge-Hmac-Sha256": digest}, proof=("X-Recharge-Hmac-Sha256",))


def fitbit(secret: str, now: int) -> Sent:
    return Sent({"X-Fitbit-Signature": base64(mac(f"{secret}&", BODY, "sha1"))}, proof=("X-Fitbit-Signature",))


def slack(secret: str, now: int) -> Sent:
    headers = {
        "X-Slack-Request-Timestamp": str(now),
        "X-Slack-Signature": "v0=" + mac(secret, b"v0:%d:%b" % (now, BODY)).hex(),
    }
    return Sent(headers, proof=tuple(headers))


def stripe_header(secret: str, now: int) -> Sent:
    header = stripe.WebhookSignature.generate_signature_header(BODY.decode(), secret, now)
    return Sent({"Stripe-Signature": header}, proof=("Stripe-Signature",))


def paypal(secret: str, now: int) -> Sent:
    time = iso(now)
    content = f"t1|{time}|{secret}|{zlib.crc32(BODY)}".encode()
    headers = {
        "PAYPAL-TRANSMISSION-ID": "t1",
        "PAYPAL-TRANSMISSION-TIME": time,
        "PAYPAL-TRANSMISSION-SIG": certified_signature(content, hashes.SHA256()),
        "PAYPAL-CERT-URL": PAYPAL_CERTIFICATE,
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
    }
    return Sent(headers, proof=tuple(headers))


PAYPAL_CERTIFICATE = "https://api.paypal.com/v1/notifications/certs/CERT-1"


TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"


def sns(secret: str, now: int) -> Sent:
    return Sent({}, json.dumps(sns_notification(secret, "paid", now)).encode())


RULES: dict[str, Rule] = {
    **{name: of_body(*how) for name, how in OF_BODY.items()},
    **{name: of_time_and_body(*how) for name, how in OF_TIME_AND_BODY.items()},
    **dict.fromkeys(
        ("brex", "gitlab-signing-token", "incident-io", "loops", "openai", "render", "replicate"), STANDARD
    ),
    **dict.fromkeys(("clerk", "resend", "svix"), SVIX),
    **dict.fromkeys(("chargebee", "pipedrive", "postmark"), BASIC),
    **dict.fromkeys(("discord", "discord-interactions"), DISCORD),
    **dict.fromkeys(("twilio", "twilio-voice"), Rule(twilio)),
    **dict.fromkeys(("event-grid", "mailchimp"), Rule(in_query, altered=None)),
    **dict.fromkeys(("mollie-classic", "strava"), Rule(lambda secret, now: Sent({}), "", "", altered=None)),
    "adobe-sign": token("X-AdobeSign-ClientId"),
    "adyen": Rule(adyen, HEX, OTHER_HEX, altered=(b"1130", b"1131")),
    "airtable": with_key(b64decode, B64, OTHER_B64, "X-Airtable-Content-MAC", before="hmac-sha256="),
    "authorize-net": with_key(
        bytes.fromhex,
        *(HEX, OTHER_HEX, "X-ANET-Signature"),
        before="sha512=",
        digest="sha512",
        encode=lambda raw: raw.hex().upper(),
    ),
    "box": timed(
        "BOX-SIGNATURE-SECONDARY", "BOX-DELIVERY-TIMESTAMP", lambda time, body: body + time, iso=True, encode=base64
    ),
    "braintree": Rule(braintree, altered=(b"bt_payload=PG5v", b"bt_payload=PG5w")),
    "customer-io": timed("X-CIO-Signature", "X-CIO-Timestamp", lambda time, body: b"v0:" + time + b":" + body),
    "dropbox-sign": Rule(dropbox_sign, altered=(b"request_sent", b"request_lost")),
    "ebay": Rule(ebay, pem(CURVE), pem(OTHER_CURVE)),
    "airwallex": timed("x-signature", "x-timestamp", lambda time, body: time + body, units=1000),
    "contentful": Rule(contentful, timed=True),
    "klaviyo": Rule(klaviyo, timed=True),
    "lob": timed("Lob-Signature", "Lob-Signature-Timestamp", lambda time, body: time + b"." + body, units=1000),
    "mercado-pago": Rule(mercado_pago, timed=True, altered=None),
    "plivo": Rule(plivo),
    "figma": Rule(figma, altered=None),
    "fitbit": Rule(fitbit),
    "flutterwave": token("verif-hash"),
    "front": timed(
        "X-Front-Signature",
        "X-Front-Request-Timestamp",
        lambda time, body: time + b":" + body,
        units=1000,
        encode=base64,
    ),
    "github-secret-scanning": Rule(secret_scanning, "", "", fetch=publishes(SECRET_SCANNING_KEYS)),
    "gitlab": token("X-Gitlab-Token"),
    "google-drive": token("X-Goog-Channel-Token"),
    "google-pubsub": Rule(
        google_pubsub,
        *("", ""),
        altered=None,
        timed=False,
        fetch=publishes(GOOGLE_KEYS),
        fields={"options": {"audience": "https://us.example.com"}},
    ),
    "hubspot": Rule(hubspot, timed=True),
    "linear": Rule(linear, timed=True),
    "linkedin": Rule(linkedin),
    "mailgun": Rule(mailgun, timed=True, altered=(b"a8ce0e", b"a8ce0f")),
    "mandrill": Rule(mandrill),
    "microsoft-graph": Rule(graph, altered=None),
    "microsoft-teams": with_key(b64decode, B64, OTHER_B64, "Authorization", before="HMAC ", encode=base64),
    "monday": bearer(lambda now: {"accountId": 1, "aud": URL}, before=""),
    "netlify": bearer(hashed({"iss": "netlify"}, "sha256"), "X-Webhook-Signature", ""),
    "okta": token("Authorization"),
    "onfleet": with_key(bytes.fromhex, HEX, OTHER_HEX, "X-Onfleet-Signature", digest="sha512"),
    "paypal": Rule(
        paypal, "WH-1", "WH-2", timed=True, fetch=CertificateHost({PAYPAL_CERTIFICATE: certificate(days=9_000)})
    ),
    "plaid": Rule(plaid, plaid_key(CURVE), plaid_key(OTHER_CURVE), timed=True),
    "recharge": Rule(recharge),
    "revenuecat": token("Authorization"),
    "ringcentral": token("Verification-Token"),
    "sanity": Rule(sanity, timed=True),
    "sendgrid": Rule(sendgrid, der(CURVE), der(OTHER_CURVE), timed=True),
    "sinch": Rule(sinch, timed=True),
    "slack": Rule(slack, timed=True),
    "sns": Rule(
        sns,
        *(TOPIC, TOPIC + "2"),
        altered=(b"paid", b"lost"),
        fetch=CertificateHost({SNS_CERTIFICATE: certificate(days=9_000)}),
    ),
    "square": Rule(square),
    "squarespace": with_key(bytes.fromhex, HEX, OTHER_HEX, "Squarespace-Signature"),
    "stripe": Rule(stripe_header, timed=True),
    "telegram": token("X-Telegram-Bot-Api-Secret-Token"),
    "telnyx": Rule(telnyx, base64(raw_key(EDWARDS)), base64(raw_key(OTHER_EDWARDS)), timed=True),
    "trello": Rule(trello),
    "twitch": Rule(twitch, timed=True),
    "vonage": bearer(lambda now: {"iat": now, "iss": "Vonage", "payload_hash": hashlib.sha256(BODY).hexdigest()}),
    "webflow": timed("x-webflow-signature", "x-webflow-timestamp", lambda time, body: time + b":" + body, units=1000),
    "wise": Rule(wise, pem(RSA), pem(OTHER_RSA)),
    "zendesk": timed(
        "X-Zendesk-Webhook-Signature",
        "X-Zendesk-Webhook-Signature-Timestamp",
        lambda time, body: time + body,
        iso=True,
        encode=base64,
    ),
    "zoom": timed(
        "x-zm-signature", "x-zm-request-timestamp", lambda time, body: b"v0:" + time + b":" + body, before="v0="
    ),
}
