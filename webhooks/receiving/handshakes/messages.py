"""Respond to messages that are part of the handshake of their sender."""

from functools import partial
from http import HTTPStatus

from webhooks.kit.bodies.claim_check import IncomingBody
from webhooks.kit.native_request import NativeRequest
from webhooks.receiving.handshakes.challenges import finish_handshake, handshake_reply, start_confirmation
from webhooks.receiving.responses import InboundResponse
from webhooks.receiving.shell import Shell
from webhooks.senders.handshake import HandshakeRejected, HandshakeReply
from webhooks.sources.snapshot import SourceSnapshot

MAX_HANDSHAKE_BYTES = 64 * 1024  # of the body of a handshake


async def respond_to_verified(
    source: SourceSnapshot, request: NativeRequest, body: bytes | None, shell: Shell
) -> InboundResponse | None:
    """Return the response to a verified message that is a handshake, and so is not stored; else None.

    Raises HandshakeRejected, ConfirmationFailed.
    """
    if (reply := handshake_reply(source, request, body or b"", is_verified=True)) is not None:
        return await _finish(source, reply, shell)
    if (confirmation := start_confirmation(source.scheme, body, source.owner)) is not None:
        confirmed = await shell.wait(confirmation)
        return InboundResponse(HTTPStatus.OK, json=confirmed)
    return None


def respond_to_stored(source: SourceSnapshot, request: NativeRequest, body: bytes | None) -> InboundResponse | None:
    """Return the response that a rule of the source makes for a stored message; None without such a rule."""
    if not any(rule.stored for rule in source.handshake_rules):
        return None
    try:
        reply = handshake_reply(source, request, body or b"", is_verified=True, is_stored=True)
    except HandshakeRejected:  # what the message has may not be repeated; it is stored nevertheless
        return None
    return None if reply is None else finish_handshake(source, reply)


async def respond_to_unsigned(
    source: SourceSnapshot, request: NativeRequest, body: IncomingBody | None, shell: Shell
) -> InboundResponse | None:
    """Return the response to a message without a valid signature that is a handshake, which many do not sign.

    None if it is no handshake. ``body``: None if it was not read. Raises what ``verification.REFUSALS`` lists.
    """
    if source.deleted_at is not None or not source.handshake_rules:
        return None
    content = await request.body.read(MAX_HANDSHAKE_BYTES) if body is None else body.small
    if content is None or len(content) > MAX_HANDSHAKE_BYTES:
        return None
    reply = handshake_reply(source, request, content)
    return None if reply is None else await _finish(source, reply, shell)


async def _finish(source: SourceSnapshot, reply: HandshakeReply, shell: Shell) -> InboundResponse:
    if not reply.secret:
        return finish_handshake(source, reply)
    return await shell.run(source.owner, partial(finish_handshake, source, reply))
