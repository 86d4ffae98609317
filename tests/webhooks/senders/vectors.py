"""Hold signed messages that senders publish, in their documentation or in the tests of their libraries.

Each is restated with its place. tests/vectors/signatures.json has more, of the schemes `standard`, `svix`, `slack`,
`stripe`, `shopify` and `twilio`.
"""

import json
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass(frozen=True)
class Vector:
    """A published message. ``now`` is the time at which it was signed; ``published_key``: DER of a key with an id."""

    sender: str
    place: str
    secret: str
    headers: dict[str, str]
    body: bytes
    now: int = 0
    url: str = "https://example.com/"
    published_key: str = ""


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

_GOCARDLESS_BODY = (
    b'{"events":[{"id":"EV00BD05S5VM2T","created_at":"2018-07-05T09:13:51.404Z","resource_type":"subsc'
    b'riptions","action":"created","links":{"subscription":"SB0003JJQ2MR06"},"details":{"origin":"api"'
    b',"cause":"subscription_created","description":"Subscription created via the API."},"metadata":{}'
    b'},{"id":"EV00BD05TB8K63","created_at":"2018-07-05T09:13:56.893Z","resource_type":"mandates","act'
    b'ion":"created","links":{"mandate":"MD000AMA19XGEC"},"details":{"origin":"api","cause":"mandate_c'
    b'reated","description":"Mandate created via the API."},"metadata":{}}]}'
)
_COINBASE_BODY = (
    b'{"id":1,"scheduled_for":"2017-01-31T20:50:02Z","attempt_number":1,"event":{"id":"24934862-d980-4'
    b'6cb-9402-43c81b0cdba6","type":"charge:created","api_version":"2018-03-22","created_at":"2017-01-'
    b'31T20:49:02Z","data":{"code":"66BEOV2A","name":"The Sovereign Individual","description":"Masteri'
    b'ng the Transition to the Information Age","hosted_url":"https://commerce.coinbase.com/charges/66'
    b'BEOV2A","created_at":"2017-01-31T20:49:02Z","expires_at":"2017-01-31T21:04:02Z","timeline":[{"ti'
    b'me":"2017-01-31T20:49:02Z","status":"NEW"}],"metadata":{},"pricing_type":"no_price","payments":['
    b'],"addresses":{"bitcoin":"0000000000000000000000000000000000","ethereum":"0x00000000000000000000'
    b'00000000000000000000","litecoin":"3000000000000000000000000000000000","bitcoincash":"bitcoincash'
    b':000000000000000000000000000000000000000000"}}}}'
)
_RAZORPAY: dict[str, object] = {
    "id": "pay_6koWN7bvxujzxM",
    "entity": "payment",
    "amount": 1000000,
    "currency": "INR",
    "status": "captured",
    "order_id": "order_100000000order",
    "international": False,
    "method": "card",
    "amount_refunded": 0,
    "refund_status": None,
    "captured": True,
    "description": "random description",
    "card_id": "card_6koWNAT6LASUqy",
    "bank": None,
    "wallet": None,
    "vpa": None,
    "email": "a@b.com",
    "contact": "+919999999999",
    "notes": {"merchant_order_id": "random order id"},
    "fee": 23000,
    "service_tax": 3000,
    "error_code": None,
    "error_description": None,
    "created_at": 1479978483,
}
_RAZORPAY_EVENT = {
    "event": "payment.authorized",
    "entity": "event",
    "contains": ["payment"],
    "payload": {"payment": {"entity": _RAZORPAY}},
    "created_at": 1400826760,
}

_DROPBOX_SIGN = {
    "event_time": "1348177752",
    "event_type": "signature_request_sent",
    "event_hash": "7d0dace3a863bce194333c2a4e90c65f89af08e7c2068230c1c17b9c2b292dc6",
}

_NOTION = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"


def _pagerduty(kind: str, name: str, title: str, plural: str = "") -> dict[str, str]:
    """Return a reference to an object as PagerDuty writes it."""
    path = f"{plural or kind + 's'}/{name}"
    html, api = f"https://acme.pagerduty.com/{path}", f"https://api.pagerduty.com/{path}"
    return {"html_url": html, "id": name, "self": api, "summary": title, "type": f"{kind}_reference"}


_PRIORITY = {
    "html_url": "https://acme.pagerduty.com/account/incident_priorities",
    "id": "PSO75BM",
    "self": "https://api.pagerduty.com/priorities/PSO75BM",
    "summary": "P1",
    "type": "priority_reference",
}
_PAGERDUTY_EVENT = {
    "event": {
        "id": "01BWDWL3NYY7LUFPZCC28QUCMK",
        "event_type": "incident.priority_updated",
        "resource_type": "incident",
        "occurred_at": "2021-04-26T17:36:27.458Z",
        "agent": _pagerduty("user", "PLH1HKV", "Tenex Engineer"),
        "client": None,
        "data": {
            "id": "PGR0VU2",
            "type": "incident",
            "self": "https://api.pagerduty.com/incidents/PGR0VU2",
            "html_url": "https://acme.pagerduty.com/incidents/PGR0VU2",
            "number": 2,
            "status": "triggered",
            "title": "A little bump in the road",
            "service": _pagerduty("service", "PF9KMXH", "API Service"),
            "assignees": [_pagerduty("user", "PTUXL6G", "User 123")],
            "escalation_policy": _pagerduty("escalation_policy", "PUS0KTE", "Default", "escalation_policies"),
            "teams": [_pagerduty("team", "PFCVPS0", "Engineering")],
            "priority": _PRIORITY,
            "urgency": "high",
            "conference_bridge": {"conference_number": 1000, "conference_url": "https://example.com"},
            "resolve_reason": None,
        },
    }
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
    Vector(
        "dropbox-sign",
        "hellosign-php-sdk, tests of Event",
        "4e94adf59d17c417ce0d1d2cb34b953ba7a1eebe1ecbe31bb1c586af92af1e1d",
        {"Content-Type": "application/x-www-form-urlencoded"},
        urlencode({"json": json.dumps({"event": _DROPBOX_SIGN})}).encode(),
    ),
    Vector(
        "gocardless",
        "gocardless-pro-python and gocardless-nodejs, tests of webhooks",
        "ED7D658C-D8EB-4941-948B-3973214F2D49",
        {"Webhook-Signature": "2693754819d3e32d7e8fcb13c729631f316c6de8dc1cf634d6527f1c07276e7e"},
        _GOCARDLESS_BODY,
    ),
    Vector(
        "coinbase-commerce",
        "coinbase-commerce-python and coinbase-commerce-node, tests of Webhook",
        "30291a20-0bd1-4267-9b0f-e6e7b123c0bf",
        {"X-CC-Webhook-Signature": "8be7742c7d372f08a6a3224edadf18a22b65fa9e28f3f2de97376cdaa092590d"},
        _COINBASE_BODY,
    ),
    Vector(
        "razorpay",
        "razorpay-python, tests of verify_webhook_signature",
        "key_secret",
        {"X-Razorpay-Signature": "d60e67fd884556c045e9be7dad57903e33efc7172c17c6e3ef77db42d2b366e9"},
        json.dumps(_RAZORPAY_EVENT, indent=2).encode() + b"\n",
    ),
    Vector(
        "hubspot",
        "hubspot-api-python and hubspot-api-ruby, tests of Signature",
        "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        {
            "X-HubSpot-Signature-v3": "HPW73RUtKmcYoEDADG0s6MmGFWUzWJKAW07r8RDgcQw=",
            "X-HubSpot-Request-Timestamp": "15000000",
        },
        b"{'example_field':'example_value'}",
        15000,
        "https://www.example.com/webhook_uri",
    ),
    Vector(
        "square",
        "developer.squareup.com, verify and validate an event notification",
        "asdf1234",
        {"x-square-hmacsha256-signature": "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og="},
        b'{"hello":"world"}',
        url="https://example.com/webhook",
    ),
    *(
        Vector(
            sender,
            f"{place}, test values of the signature",
            "It's a Secret to Everybody",
            {"X-Hub-Signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
            b"Hello World!",
        )
        for sender, place in (("bitbucket", "support.atlassian.com"), ("jira", "developer.atlassian.com"))
    ),
    Vector(
        "line",
        "line-bot-sdk-python, tests of SignatureValidator",
        "channel_secret",
        {"X-Line-Signature": "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="},
        b"bodybodybodybody",
    ),
    Vector(
        "pusher",
        "pusher-http-go, tests of Webhook",
        "secret",
        {
            "X-Pusher-Key": "key",
            "X-Pusher-Signature": "2677ad3e7c090b2fa2c0fb13020d66d5420879b8316eb356a2d60fb9073bc778",
        },
        b'{"hello":"world"}',
    ),
    Vector(
        "twilio",
        "twilio.com/docs, validating requests",
        "12345",
        {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": "0/KCTR6DLpKmkAf8muzZqo1nDgQ="},
        b"CallSid=CA1234567890ABCDE&Caller=%2B12349013030&Digits=1234&From=%2B12349013030&To=%2B18005551212",
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
    ),
    *(
        Vector(
            "circleci",
            "circleci.com/docs, validating webhooks",
            secret,
            {"circleci-signature": f"v1={signature}"},
            body,
        )
        for body, secret, signature in (
            (b"hello world", "secret", "734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a"),
            (b"lalala", "another-secret", "daa220016c8f29a8b214fbfc3671aeec2145cfb1e6790184ffb38b6d0425fa00"),
        )
    ),
    Vector(
        "notion",
        "developers.notion.com, webhooks",
        _NOTION,
        {"X-Notion-Signature": "sha256=461e8cbcba8a75c3edd866f0e71280f5a85cbf21eff040ebd10fe266df38a735"},
        b'{"verification_token":"%b"}' % _NOTION.encode(),
    ),
    Vector(
        "pagerduty",
        "go-pagerduty, tests of webhookv3.VerifySignature",
        "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK",
        {"X-PagerDuty-Signature": "v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd"},
        json.dumps(_PAGERDUTY_EVENT, separators=(",", ":")).encode(),
    ),
    Vector(
        "ebay",
        "event-notification-nodejs-sdk, tests of the validator",
        "-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhhxXKtR+TOvtDbgTPCkSof02qgBB7IsYOyf76ilExJ/"
        "upAa/vKIKheOoCyOpcLmi4t0b4uepb7LLjmMr90FUg==-----END PUBLIC KEY-----",
        {
            "X-EBAY-SIGNATURE": "eyJhbGciOiJlY2RzYSIsImtpZCI6Ijk5MzYyNjFhLTdkN2ItNDYyMS1hMGYxLTk2Y2NiNDI4YWY0"
            "OSIsInNpZ25hdHVyZ"
            "SI6Ik1FWUNJUUNmeGZJV3V4bVdjSUJRSjljNS9YN2lHREpxczJSQ0dzQkVhQWppbnlycmZBSWhBSVY2d0djVGlCdVY1S0pVaWYyaG9reXJMK1E5c"
            "3NIa2FkK214Mm5FRTI1dyIsImRpZ2VzdCI6IlNIQTEifQ=="
        },
        b'{"metadata":{"topic":"MARKETPLACE_ACCOUNT_DELETION","schemaVersion":"1.0","deprecated":false},"notification":'
        b'{"notificationId":"49feeaeb-4982-42d9-a377-9645b8479411_33f7e043-fed8-442b-9d44-791923bd9a6d",'
        b'"eventDate":"2021-03-19T20:43:59.462Z","publishDate":"2021-03-19T20:43:59.679Z","publishAttemptCount":1,'
        b'"data":{"username":"test_user","userId":"ma8vp1jySJC",'
        b'"eiasToken":"nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY+gAZGEpwmdj6x9nY+seQ=="}}}',
    ),
    Vector(
        "hubspot",
        "developers.hubspot.com, validating requests",
        "cfc68c0b-4b4e-4ef8-b764-95350e4ea479",
        {
            "X-HubSpot-Signature-v3": "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg=",
            "X-HubSpot-Request-Timestamp": "1752613922216",
        },
        b'[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,"occurredAt":1752613920733,'
        b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":138017612137,"changeFlag":"CREATED",'
        b'"changeSource":"CRM_UI","sourceId":"userId:76023669"}]',
        1752613922,
        "https://webhook.site/335453f5-94b3-49d9-b684-a55354d4b8df",
    ),
    Vector(
        "line",
        "developers.line.biz, verify webhook signature",
        "8c570fa6dd201bb328f1c1eac23a96d8",
        {"x-line-signature": "GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs="},
        b'{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}',
    ),
    Vector(
        "github-secret-scanning",
        "docs.github.com, secret scanning partner program",
        "",
        {
            "Github-Public-Key-Identifier": "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
            "Github-Public-Key-Signature": "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6"
            "eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=",
        },
        b'[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]',
        published_key=(
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gPHzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcG"
            "P3IDb34kQDIo3Q=="
        ),
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
