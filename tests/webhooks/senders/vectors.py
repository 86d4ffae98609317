"""Hold signed messages that senders publish, in their documentation or in the tests of their libraries.

Each is restated with its place. tests/vectors/signatures.json has more, of the schemes `standard`, `svix`, `slack`,
`stripe`, `shopify` and `twilio`.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Vector:
    """A published message. ``now`` is the time at which it was signed."""

    sender: str
    place: str
    secret: str
    headers: dict[str, str]
    body: bytes
    now: int = 0
    url: str = "https://example.com/"


_BOX = {
    "BOX-DELIVERY-ID": "f96bb54b-ee16-4fc5-aa65-8c2d9e5b546f",
    "BOX-DELIVERY-TIMESTAMP": "2020-01-01T00:00:00-07:00",
}
_BOX_BODY = (
    b'{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED",'
    b'"source":{"id":"1234567890","type":"file","name":"Test.txt"}}'
)
_ADYEN = {
    "additionalData": {"hmacSignature": "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},
    "amount": {"value": 1130, "currency": "EUR"},
    "pspReference": "7914073381342284",
    "eventCode": "AUTHORISATION",
    "merchantAccountCode": "TestMerchant",
    "merchantReference": "TestPayment-1407325143704",
    "success": "true",
}
_SENDGRID = "X-Twilio-Email-Event-Webhook-"
_SVIX = {
    "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "svix-timestamp": "1614265330",
    "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}

VECTORS = [
    Vector(
        "github",
        "docs.github.com, validating webhook deliveries",
        "It's a Secret to Everybody",
        {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        b"Hello, World!",
    ),
    Vector(
        "slack",
        "docs.slack.dev, verifying requests from Slack",
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            "X-Slack-Request-Timestamp": "1531420618",
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url="
        b"https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
        b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        1531420618,
    ),
    Vector(
        "adyen",
        "docs.adyen.com, verify HMAC signatures",
        "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056",
        {},
        json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": _ADYEN}]}).encode(),
    ),
    Vector(
        "box",
        "box-node-sdk, tests of Webhooks.validateMessage",
        "SamplePrimaryKey",
        {**_BOX, "BOX-SIGNATURE-PRIMARY": "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI="},
        _BOX_BODY,
        1577862000,
    ),
    Vector(
        "box",
        "box-node-sdk, tests of Webhooks.validateMessage",
        "SampleSecondaryKey",
        {**_BOX, "BOX-SIGNATURE-SECONDARY": "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo="},
        _BOX_BODY,
        1577862000,
    ),
    Vector(
        "sendgrid",
        "sendgrid-python and sendgrid-nodejs, tests of EventWebhook",
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6"
        "wEA3F+g==",
        {
            f"{_SENDGRID}Signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0J"
            "uG+luQAbPIqHh89M15TluLtEZtM=",
            f"{_SENDGRID}Timestamp": "1600112502",
        },
        b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
        b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
        b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
        b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n',
        1600112502,
    ),
    Vector(
        "sanity",
        "@sanity/webhook, tests of isValidSignature",
        "test",
        {"sanity-webhook-signature": "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0"},
        b'{"_id":"resume"}',
        1633519811,
    ),
    Vector(
        "sanity",
        "@sanity/webhook, tests of isValidSignature",
        "try-me",
        {"sanity-webhook-signature": "t=1633518820676,v1=e7C9h2sfbFfc4V7TEz7PSOp4IoNzl0UdVsBV-1wgdeA"},
        b'{"title":"GROQ-Hooks are neat"}',
        1633518820,
    ),
    Vector(
        "mux",
        "mux-node-sdk, tests of Webhooks.verifySignature",
        "SuperSecret123",
        {"Mux-Signature": "t=1565125718,v1=854ece4c22acef7c66b57d4e504153bc512595e8e9c772ece2a68150548c19a7"},
        b'{"test":"body"}',
        1565125718,
    ),
    Vector(
        "twilio",
        "twilio-python, tests of RequestValidator",
        "12345",
        {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
        b"From=%2B14158675309&To=%2B18005551212&CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234",
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
    ),
    *(
        Vector(
            sender,
            "docs.svix.com, verifying payloads manually; the sender signs with Svix or by the same standard",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            {name.replace("svix-", prefix): value for name, value in _SVIX.items()},
            b'{"test": 2432232314}',
            1614265330,
        )
        for sender, prefix in (
            *((sender, "svix-") for sender in ("clerk", "resend", "svix")),
            *((it, "webhook-") for it in ("brex", "gitlab-signing-token", "incident-io", "loops", "openai", "render")),
            ("replicate", "webhook-"),
        )
    ),
]
