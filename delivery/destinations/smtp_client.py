"""Send mails over one connection to an SMTP server, whose address was checked; read what its replies mean.

RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE), RFC 3463 (enhanced status codes).
"""

import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from delivery.destinations.mail_message import TO, address_of, compose, domain_of, recipients_of
from delivery.transports.message import Message
from delivery.transports.outcome import Failure
from delivery.transports.sockets.kind import SendFailed, Sent, failure_of, guarded_address
from subscriptions.endpoints.destinations.kind import Connection
from webhooks.outgoing.guarded_host import split_host

STARTTLS, TLS, NONE = "starttls", "tls", "none"
PORTS = {STARTTLS: 587, TLS: 465, NONE: 25}
HOST, FROM = "settings.host", "settings.from"
MARGIN = 0.1  # seconds after the end of the attempts in which a server that responds byte by byte is cut off
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")


class _Guarded(smtplib.SMTP):
    """Connect to the address that was checked, with TLS from the beginning where there is a context."""

    def __init__(self, host: str, address: str, name: str, context: ssl.SSLContext | None, timeout: float) -> None:
        super().__init__(local_hostname=name, timeout=timeout)
        self._host = host  # also for the certificate after STARTTLS
        self._address, self._context = address, context

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((self._address, port), timeout)
        if self._context is None:
            return plain
        try:
            return self._context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


class EmailClient:
    """Hold the connection to one server."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        self._connection = connection
        self._sender = address_of(connection.settings["from"]) or ""
        self._server: _Guarded | None = None
        self._is_new = True
        self._open(timeout)

    def _open(self, timeout: float) -> _Guarded:
        settings, credentials = self._connection.settings, self._connection.credentials
        security = settings["security"]
        host, port = split_host(settings["host"], PORTS[security])
        address = guarded_address(self._connection, host, port)
        context = None if security == NONE else ssl.create_default_context(cadata=credentials.get("ca_certificate"))
        server = _Guarded(host, address, domain_of(settings), context if security == TLS else None, timeout)
        try:
            with _limited(server, timeout):
                code, text = server.connect(host, port)
                if code != 220:
                    raise _replied(code, text, HOST)
                server.ehlo_or_helo_if_needed()
                if security == STARTTLS:
                    _start_tls(server, context)
                if username := settings.get("username"):
                    server.login(username, credentials.get("password", ""))
        except BaseException:
            server.close()
            raise
        self._server, self._is_new = server, True
        return server

    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        until = time.monotonic() + timeout
        server = self._usable(timeout)
        results: list[Sent] = []
        for message in messages:
            left = until - time.monotonic()
            if self._server is None or left <= 0:
                break
            results.append(self._send_one(server, message, left))
        rest = SendFailed(Failure.TIMEOUT, "There was no time left for this mail.")
        if self._server is None and isinstance(results[-1], SendFailed):
            rest = SendFailed(results[-1].failure, f"The connection ended before this mail: {results[-1].text}")
        return [*results, *[rest] * (len(messages) - len(results))]

    def _usable(self, timeout: float) -> _Guarded:
        """Return the connection; a new one if the server has closed it meanwhile."""
        if self._server is not None:
            if self._is_new:
                self._is_new = False
                return self._server
            with suppress(SendFailed), _limited(self._server, timeout):
                if self._server.noop()[0] == 250:
                    return self._server
            self.close()
        return self._open(timeout)

    def _send_one(self, server: _Guarded, message: Message, seconds: float) -> Sent:
        """Send one mail; a connection that is of no more use is closed."""
        try:
            mail = bytes(compose(self._connection, message))
            recipients = recipients_of(self._connection.settings, message)
        except SendFailed as error:
            return error
        most = server.esmtp_features.get("size", "")
        if most.isdigit() and 0 < int(most) < len(mail):
            return SendFailed(Failure.TOO_LARGE, f"The mail has {len(mail)} bytes; the server accepts {most}.")
        try:
            with _limited(server, seconds):
                return _transaction(server, self._sender, recipients, mail)
        except SendFailed as error:
            if error.status in (None, 421):
                self.close()
            return error

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()


def _start_tls(server: _Guarded, context: ssl.SSLContext | None) -> None:
    if not server.has_extn("starttls"):
        text = "The server does not offer STARTTLS; nothing was sent to it."
        raise SendFailed(Failure.TLS_PLAINTEXT, text, setting="settings.security")
    code, reply = server.starttls(context=context)
    if code != 220:
        raise _replied(code, reply, "settings.security")
    server.ehlo_or_helo_if_needed()


def _transaction(server: _Guarded, sender: str, recipients: Sequence[str], mail: bytes) -> bytes:
    """Send a mail to all recipients or to none; return the reply that accepts it. Raises SendFailed."""
    options = [f"size={len(mail)}"] if server.has_extn("size") else []
    code, text = server.mail(sender, options)
    _check(server, code, text, FROM)
    for recipient in recipients:
        code, text = server.rcpt(recipient)
        _check(server, code, text, TO)
    code, text = server.data(mail)
    _check(server, code, text, "")
    return f"{code} ".encode() + text


def _check(server: _Guarded, code: int, text: bytes, setting: str) -> None:
    if code not in (250, 251):
        with suppress(smtplib.SMTPException, OSError):
            server.rset()
        raise _replied(code, text, setting)


@contextmanager
def _limited(server: _Guarded, seconds: float) -> Iterator[None]:
    """Raise SendFailed for what fails inside; after these seconds the connection is cut off."""
    late, is_over = time.monotonic() + 0.95 * seconds, threading.Event()
    timer = threading.Timer(seconds + MARGIN, _cut, [server, is_over])
    timer.daemon = True
    timer.start()
    if server.sock is not None:
        server.sock.settimeout(seconds)
    try:
        yield
    except (smtplib.SMTPException, OSError, SendFailed) as error:
        failed = error if isinstance(error, SendFailed) else _failed(error)
        if is_over.is_set() or (failed.status is None and time.monotonic() > late):
            raise SendFailed(Failure.TIMEOUT, "The server has not responded in time.") from error
        if failed is error:
            raise
        raise failed from error
    finally:
        timer.cancel()


def _cut(server: _Guarded, is_over: threading.Event) -> None:
    is_over.set()
    with suppress(Exception):
        if server.sock is not None:
            server.sock.shutdown(socket.SHUT_RDWR)


def _failed(error: Exception) -> SendFailed:
    """Return what an error of the library means."""
    if isinstance(error, smtplib.SMTPResponseException):
        reply = error.smtp_error
        return _replied(error.smtp_code, reply if isinstance(reply, bytes) else reply.encode(), "")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return SendFailed(Failure.ACCESS_DENIED, "The server offers no login.", setting="settings.username")
    if isinstance(error, smtplib.SMTPServerDisconnected):
        cause = error.__context__
        return failure_of(cause if isinstance(cause, OSError) else ConnectionError("The server ended the connection."))
    if isinstance(error, smtplib.SMTPException):
        return SendFailed(Failure.PROTOCOL, f"The server does not respond as SMTP says: {type(error).__name__}.")
    return failure_of(error)


_DENIED = frozenset({530, 534, 535, 538})  # RFC 4954: a login is required, or not accepted
_THROTTLED = ("4.3.1", "4.5.3", "4.7.")  # full, too many, by policy: of temporary refusals


def _replied(code: int, text: bytes, setting: str) -> SendFailed:
    """Return what a reply means: 4xx is temporary, 5xx permanent for this mail."""
    shown = f"{code} {text.decode('utf-8', 'replace')}"
    found = _ENHANCED.match(text)
    enhanced = found[0].decode() if found else ""
    if code in _DENIED:
        return SendFailed(Failure.ACCESS_DENIED, shown, status=code)
    if code == 552 or enhanced == "5.3.4":
        failure = Failure.TOO_LARGE
    elif 500 <= code < 600:
        failure = Failure.REFUSED
    elif code == 452 or enhanced.startswith(_THROTTLED):
        failure = Failure.THROTTLED
    else:
        failure = Failure.UNAVAILABLE if 400 <= code < 500 else Failure.PROTOCOL
    return SendFailed(failure, shown, status=code, setting=setting)
