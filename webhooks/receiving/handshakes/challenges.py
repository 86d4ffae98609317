"""Reply to a handshake by the rules of its source, and confirm subscriptions of Amazon SNS.

``handshake_reply``, ``finish_handshake``    by the rules of the source
``start_confirmation``                       in a verified message that requests a call back: Amazon SNS

A handshake by OPTIONS (CloudEvents) is ``wire.cloudevents.handshake``.
"""

from collections.abc import Hashable
from concurrent.futures import Future
from http import HTTPStatus

from django.utils import timezone

from webhooks.kit.native_request import NativeRequest, called_url
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.guarded_call import start_call
from webhooks.receiving.responses import InboundResponse
from webhooks.schemes import sns
from webhooks.senders.handshake import HandshakeRejected, HandshakeReply, HandshakeRequest, reply_to
from webhooks.sources.secret_rotation import keep_received_secret
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.message_values import MessageValues

CONFIRMATION_TIMEOUT = 5.0  # seconds, while the sender waits


class ConfirmationFailed(Exception):
    """The subscription could not be confirmed at the provider."""


def handshake_reply(
    source: SourceSnapshot,
    request: NativeRequest,
    body: bytes = b"",
    *,
    is_verified: bool = False,
    is_stored: bool = False,
) -> HandshakeReply | None:
    """Return the reply of the source's rules to a request; None if it is no handshake. Raises HandshakeRejected.

    ``is_stored``: the reply to a message that was stored.
    """
    if not source.handshake_rules:
        return None
    handshake = HandshakeRequest(
        request.method,
        MessageValues(request.headers, request.query_string, body),
        is_verified,
        is_stored,
        [secret.text for secret in source.active_secrets(timezone.now())],
        source.verify_token,
        called_url(request, source.public_url).partition("?")[0],
    )
    return reply_to(source.handshake_rules, handshake)


def finish_handshake(source: SourceSnapshot, reply: HandshakeReply) -> InboundResponse:
    """Keep the secret that the sender gave, if any, and return the response. Raises HandshakeRejected.

    A source that has a secret already keeps no other, because anyone who knows the address could give one. May block.
    """
    if reply.secret and not keep_received_secret(source.id, reply.secret):
        raise HandshakeRejected("The source has a secret already; revoke it, or create another source.")
    return InboundResponse(
        reply.status, text=reply.body.decode(), content_type=reply.content_type, headers=reply.headers
    )


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
