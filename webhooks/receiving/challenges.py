"""Respond to the challenges by which providers check that an endpoint exists and knows its secret.

``respond_to_handshake``   in a verified message that is not stored: Slack
``respond_to_challenge``   by GET with a token: Meta, WebSub, X
``confirm_subscription``   in a verified message that wants a call back: Amazon SNS

A handshake by OPTIONS (CloudEvents) is ``wire.cloudevents.handshake``.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

from webhooks.kit.offload import offload
from webhooks.outgoing.guarded_call import CallFailed, ForbiddenAddress, call
from webhooks.schemes import sns, twitter
from webhooks.sources.message_labels import parse_json
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
    document = parse_json(body)
    if not isinstance(document, dict) or document.get("type") != "url_verification":
        return None
    challenge = document.get("challenge")
    return {"challenge": challenge} if isinstance(challenge, str) else None


def confirm_subscription(scheme: str, body: bytes | None) -> dict[str, str] | None:
    """Confirm a subscription that Amazon SNS asks for in a verified message; return None for an ordinary message.

    The called address is made from the topic's name, not taken from the message, and guarded like any other. Raises
    ConfirmationFailed.
    """
    url = sns.confirmation_url(body) if scheme == "sns" and body is not None else None
    if url is None:
        return None
    try:
        response = offload(lambda: call("GET", url, timeout=CONFIRMATION_TIMEOUT))
    except (ForbiddenAddress, CallFailed) as error:
        raise ConfirmationFailed(str(error) or str(type(error).__doc__)) from error
    if response.status != HTTPStatus.OK:
        raise ConfirmationFailed(f"The provider responded {response.status}.")
    return {"subscription": "confirmed"}


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
