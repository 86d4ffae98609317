"""Respond to the challenges by which providers check that an endpoint exists and knows its secret.

``respond_to_handshake``   in a verified message that is not stored: Slack
``respond_to_challenge``   by GET with a token: Meta, WebSub, X
``start_confirmation``     in a verified message that requests a call back: Amazon SNS

A handshake by OPTIONS (CloudEvents) is ``wire.cloudevents.handshake``.
"""

import re
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from http import HTTPStatus

from webhooks.kit.bodies.message_body import parse_document
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.guarded_call import start_call
from webhooks.schemes import sns, twitter
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.signing.hmac_signatures import constant_time_equal

CONFIRMATION_TIMEOUT = 5.0  # seconds, while the sender waits
_CHALLENGE = re.compile(r"[!-~]{1,1024}")  # printable ASCII, because the response repeats it


class ConfirmationFailed(Exception):
    """The subscription could not be confirmed at the provider."""


class ChallengeRejected(ValueError):
    """The challenge is not valid for this source."""


def respond_to_handshake(scheme: str, body: bytes | None) -> dict[str, str] | None:
    """Return the JSON response to Slack's ``url_verification``, or None for an ordinary message.

    https://docs.slack.dev/reference/events/url_verification
    """
    if scheme != "slack" or body is None or b"url_verification" not in body:
        return None
    document = parse_document({}, body)
    if not isinstance(document, dict) or document.get("type") != "url_verification":
        return None
    challenge = document.get("challenge")
    return {"challenge": challenge} if isinstance(challenge, str) else None


def start_confirmation(scheme: str, body: bytes | None, share: Hashable) -> "Future[dict[str, str]] | None":
    """Confirm a subscription that Amazon SNS asks for in a verified message; return None for an ordinary message.

    The result of the future is the response to the message. The called address is made from the topic's name, not taken
    from the message, and guarded like any other. The future raises ConfirmationFailed.
    """
    url = sns.confirmation_url(body) if scheme == "sns" and body is not None else None
    if url is None:
        return None
    result: Future[dict[str, str]] = Future()
    result.set_running_or_notify_cancel()  # a sender that closes its connection has confirmed nevertheless
    call = start_call("GET", url, share=share, timeout=CONFIRMATION_TIMEOUT)
    call.add_done_callback(lambda done: _settle_confirmation(result, done))
    return result


def _settle_confirmation(result: "Future[dict[str, str]]", call: "Future[CallResponse]") -> None:
    try:
        status = call.result().status
    except Exception as error:
        result.set_exception(ConfirmationFailed(str(error) or str(type(error).__doc__)))
        return
    if status == HTTPStatus.OK:
        result.set_result({"subscription": "confirmed"})
    else:
        result.set_exception(ConfirmationFailed(f"The provider responded {status}."))


def respond_to_challenge(
    source: SourceSnapshot, query: Mapping[str, str], secrets: list[str]
) -> str | dict[str, str] | None:
    """Return the response to a GET: text, JSON, or None if this source has no challenge by GET.

    ``hub.mode``, ``hub.verify_token`` and ``hub.challenge``: Meta and, with a token, WebSub
    (https://developers.facebook.com/docs/graph-api/webhooks/getting-started). ``crc_token``: X
    (https://docs.x.com/x-api/webhooks/quickstart), signed with the newest secret. Raises ChallengeRejected.
    """
    if source.scheme == "twitter":
        return _sign_token(query.get("crc_token", ""), secrets)
    return _echo(source.verify_token, query) if source.verify_token else None


def _sign_token(token: str, secrets: list[str]) -> dict[str, str]:
    response = twitter.crc_response(secrets[0], token) if secrets else None
    if response is None:
        raise ChallengeRejected("The crc_token is missing or not valid, or the source has no secret.")
    return {"response_token": response}


def _echo(verify_token: str, query: Mapping[str, str]) -> str:
    challenge = query.get("hub.challenge", "")
    if not constant_time_equal(verify_token, query.get("hub.verify_token", "")):
        raise ChallengeRejected("hub.verify_token is not the verify_token of the source.")
    if query.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
        raise ChallengeRejected("hub.mode must be subscribe, and hub.challenge 1 to 1024 printable ASCII characters.")
    return challenge
