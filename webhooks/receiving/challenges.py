"""What providers ask once, or now and then, to see that somebody is at home, and how they want to be answered.

Some ask in a message that is verified like any other, and not kept: it says nothing (``greeting``). Others ask by GET,
and prove themselves or have us prove that we know the secret (``challenge``). Asking by OPTIONS is the wire's:
``protocol.handshake``. Amazon SNS wants to be called back, once the message that asks for it is verified: ``confirm``.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

from webhooks.kit.group_commit import aside
from webhooks.outgoing.guarded_call import CallFailed, ForbiddenAddress, call
from webhooks.schemes import sns, twitter
from webhooks.sources.message_labels import parse_json
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.signing.hmac_signatures import constant_time_equal

_CHALLENGE = re.compile(r"[!-~]{1,1024}")  # printable ASCII: it is echoed


CONFIRMATION = 5.0  # seconds; the sender is waiting


class ConfirmationFailed(Exception):
    """The sender could not be told that we are at home."""


class ChallengeRejected(ValueError):
    """The challenge is not one we answer."""


def confirm_subscription(scheme: str, body: bytes | None) -> dict[str, str] | None:
    """Confirm a subscription to a topic of Amazon's, asked for in a verified message; None if this is an ordinary one.

    The address is our own, made of the topic's name, and the call guarded like any other. Raises ConfirmationFailed."""
    url = sns.confirmation_url(body) if scheme == "sns" and body is not None else None
    if url is None:
        return None
    try:
        answer = aside(lambda: call("GET", url, timeout=CONFIRMATION))
    except (ForbiddenAddress, CallFailed) as error:
        raise ConfirmationFailed(str(error) or str(type(error).__doc__)) from error
    if answer.status != HTTPStatus.OK:
        raise ConfirmationFailed(f"the answer was {answer.status}")
    return {"subscription": "confirmed"}


def respond_to_challenge(
    source: SourceSnapshot, query: Mapping[str, str], secrets: list[str]
) -> str | dict[str, str] | None:
    """What to answer a GET with: text, JSON, or None if this source is asked nothing by GET. Raises ChallengeRejected.

    ``hub.mode``, ``hub.verify_token`` and ``hub.challenge``: Meta's way and, with a token, WebSub's
    (https://developers.facebook.com/docs/graph-api/webhooks/getting-started). ``crc_token``: that of X
    (https://docs.x.com/x-api/webhooks/quickstart), answered with the newest secret.
    """
    if source.scheme == "twitter":
        return _signed(query.get("crc_token", ""), secrets)
    return _echoed(source.verify_token, query) if source.verify_token else None


def _signed(token: str, secrets: list[str]) -> dict[str, str]:
    answer = twitter.crc_response(secrets[0], token) if secrets else None
    if answer is None:
        raise ChallengeRejected
    return {"response_token": answer}


def _echoed(verify_token: str, query: Mapping[str, str]) -> str:
    echo = query.get("hub.challenge", "")
    if not constant_time_equal(verify_token, query.get("hub.verify_token", "")):
        raise ChallengeRejected("hub.verify_token is not this source's")
    if query.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(echo):
        raise ChallengeRejected("it neither subscribes nor challenges")
    return echo


def respond_to_handshake(scheme: str, body: bytes | None) -> dict[str, str] | None:
    """The JSON to answer with, or None if this is an ordinary message.

    Slack sends ``url_verification`` with a challenge and wants it back:
    https://docs.slack.dev/reference/events/url_verification
    """
    if scheme != "slack" or body is None or b"url_verification" not in body:
        return None
    document = parse_json(body)
    if not isinstance(document, dict) or document.get("type") != "url_verification":
        return None
    respond_to_challenge = document.get("challenge")
    return {"challenge": respond_to_challenge} if isinstance(respond_to_challenge, str) else None
