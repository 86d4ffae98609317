"""Run a mail server (aiosmtpd) in this process, which keeps what it accepts."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.ports import free_port

USER, PASSWORD = "waypost", "p-Zeitgeist-99"
MAX_BYTES = 100_000  # of a mail
REPLIES = {  # by the recipient's name
    "later": "451 4.2.0 Greylisted, try again",
    "never": "550 5.1.1 No such user here",
    "full": "452 4.2.2 Mailbox full",
    "closing": "421 4.3.2 Closing",
}


class MailServer:
    """The mails that were accepted: (recipients, bytes), in order."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self.senders: list[str] = []
        self.port = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := REPLIES.get(address.partition("@")[0]):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        if b"reject this" in content:
            return "554 5.6.0 Rejected by policy"
        self.mails.append((list(envelope.rcpt_tos), content))
        self.senders.append(envelope.mail_from or "")
        return f"250 2.0.0 Queued as {len(self.mails)}"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        is_known = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=is_known, handled=False)


class _Closing(Controller):
    """Close the connections that are open when the server stops."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._made: list[SMTP] = []

    def factory(self) -> SMTP:
        made = super().factory()
        self._made.append(made)
        return made

    def stop(self, *arguments: Any, **options: Any) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        super().stop(*arguments, **options)

    async def _end(self) -> None:
        for made in self._made:
            if made.transport is not None:
                made.transport.abort()
        await asyncio.sleep(0.01)  # in which their callbacks close the sockets


@contextmanager
def mail_server(context: ssl.SSLContext | None = None, *, is_implicit: bool = False) -> Iterator[MailServer]:
    """Run a server with a login; ``context``: for STARTTLS, or for TLS from the beginning."""
    server = MailServer()
    server.port = free_port()
    options: dict[str, Any] = {"ssl_context": context} if is_implicit else {"tls_context": context}
    controller = _Closing(
        server,
        hostname="127.0.0.1",
        port=server.port,
        authenticator=server.authenticate,
        auth_require_tls=False,
        data_size_limit=MAX_BYTES,
        **options,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
