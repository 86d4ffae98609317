"""Send mail by SMTP: one event, one message, with subject, text and HTML by templates.

A mail is delivered when the server has accepted it for all recipients; if it refuses one of them, none gets it. What
follows from the event is the same in every attempt, also the Message-ID, by which a repeat is recognised. Values of an
event cannot add headers or recipients: what is not one address is refused, and a header has no line ends.

RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE), RFC 3463 (enhanced status codes).
"""

import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from hashlib import sha256
from html import escape
from typing import Any

import orjson

from delivery.transports.message import CONTENT_TYPE, Message
from delivery.transports.message_texts import InvalidText, compile_text
from delivery.transports.outcome import Failure
from delivery.transports.sockets.kind import (
    SendFailed,
    Sent,
    ShownMessage,
    SocketKind,
    failure_of,
    guarded_address,
    tried,
)
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting
from webhooks.outgoing.brokers.hosts import problems_of_host
from webhooks.outgoing.guarded_host import split_host
from webhooks.wire.ids import parse

STARTTLS, TLS, NONE = "starttls", "tls", "none"
PORTS = {STARTTLS: 587, TLS: 465, NONE: 25}
HOST, FROM, TO = "settings.host", "settings.from", "settings.to"
MARGIN = 0.1  # seconds after the end of the attempts in which a server that responds byte by byte is cut off
MAX_RECIPIENTS = 20
MAX_SUBJECT = 250  # characters
POLICY = SMTP.clone(cte_type="7bit", max_line_length=200)
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9-]{1,63}){0,10}"
)
_NAMED = re.compile(r"([^<>\r\n]{0,100})<([^<>]*)>")
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")


class Email(SocketKind):
    """Mail by SMTP."""

    name = "email"
    label = "E-mail (SMTP)"
    description = (
        "An event becomes a mail, accepted by the server for all recipients. At least once: a repeat has the same "
        "Message-ID."
    )
    settings = (
        Setting(
            "host",
            "Host",
            "Host, or host:port, of the mail server; the port is 587 with `starttls`, 465 with `tls`, 25 with `none`.",
            is_required=True,
            max_length=300,
            example="smtp.example.com",
        ),
        Setting(
            "security",
            "Encryption",
            "`starttls`: encrypted after a command, which the server must offer; `tls`: from the beginning; `none`: "
            "not, only where the operator allows HTTP.",
            default=STARTTLS,
            choices=(STARTTLS, TLS, NONE),
        ),
        Setting(
            "ca_certificate",
            "CA certificate",
            "Certificate of the authority that signed the server's, in PEM; empty: the authorities of the system.",
            max_length=65_536,
            is_credential=True,
        ),
        Setting("username", "User name", "User, if the server wants a login.", max_length=255),
        Setting("password", "Password", "Password of the user.", max_length=1024, is_credential=True),
        Setting("from", "From", "Address of the sender.", is_required=True, example="Shop <shop@example.com>"),
        Setting(
            "to",
            "To",
            f"Addresses of the recipients, up to {MAX_RECIPIENTS}: each a text with paths between < and >, or a path.",
            type="texts",
            is_required=True,
            example='["ops@example.com", "<$.data.customer.email>"]',
        ),
        Setting("reply_to", "Reply-To", "Address for replies.", max_length=320),
        Setting(
            "subject",
            "Subject",
            "Subject: a text with paths between < and >.",
            default="<$.type>",
            max_length=1024,
            example="Order <$.data.id> is <$.type>",
        ),
        Setting(
            "text",
            "Text",
            "Text: with paths between < and >; \\n is a line end. Empty: the event as JSON.",
            max_length=65_536,
            example="Dear <$.data.customer.name>,\\n\\nyour order <$.data.id> was paid.",
        ),
        Setting(
            "html",
            "HTML",
            "The same as HTML, beside the text. Values of the event are escaped. Empty: text only.",
            max_length=262_144,
            example="<p>Your order <b><$.data.id></b> was paid.</p>",
        ),
        Setting(
            "attach_event",
            "Attach the event",
            "Whether the event is attached as a file, with the headers of Standard Webhooks that sign it.",
            type="boolean",
            default=False,
        ),
    )
    max_entries = 10

    def check(self, connection: Connection) -> None:
        settings = connection.settings
        is_encrypted = settings["security"] != NONE
        problems = problems_of_host(settings["host"], PORTS[settings["security"]], HOST, tls=is_encrypted)
        if problem := problems.pop("settings.tls", ""):
            problems["settings.security"] = problem
        if bool(settings.get("username")) != bool(connection.credentials.get("password")):
            problems["credentials.password"] = "User name and password are given together."
        for name in ("from", "reply_to"):
            if settings.get(name) and address_of(settings[name]) is None:
                problems[f"settings.{name}"] = "Must be an address: user@example.com, or Name <user@example.com>."
        if len(settings["to"]) > MAX_RECIPIENTS:
            problems[TO] = f"Must be at most {MAX_RECIPIENTS} addresses."
        problems |= _wrong_texts(settings)
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        host, port = split_host(settings["host"], PORTS[settings["security"]])
        scheme, shown = "smtps" if settings["security"] == TLS else "smtp", f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{port}/{','.join(settings['to'])}"[:2048]

    def test(self, connection: Connection) -> str:
        return tried(lambda: _tested(connection), HOST)

    def check_message(self, connection: Connection, message: Message) -> None:
        recipients_of(connection.settings, message)

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        mail = compose(connection, message)
        headers = {name.lower(): str(it) for name, it in mail.items() if not name.lower().startswith("mime")}
        part = mail.get_body(("plain", "html"))
        text = part.get_content() if part is not None else ""
        return ShownMessage("MAIL", self.address(connection.settings), headers, str(text).encode())

    def connect(self, connection: Connection, timeout: float) -> "EmailClient":
        return EmailClient(connection, timeout)


def _wrong_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    problems = {}
    for name in ("subject", "text", "html", "to"):
        given = settings.get(name) or ""
        for text in given if isinstance(given, list) else [given]:
            try:
                is_fixed = not compile_text(text).has_paths
            except InvalidText as error:
                problems[f"settings.{name}"] = str(error)
            else:
                if name == "to" and is_fixed and address_of(text) is None:
                    problems[TO] = f"{text}: must be an address, or have a path between < and >."
    return problems


def address_of(text: str) -> str | None:
    """Return the address in ``user@example.com`` or ``Name <user@example.com>``; None if it is neither."""
    named = _NAMED.fullmatch(text.strip())
    address = named[2] if named else text.strip()
    return address if _ADDRESS.fullmatch(address) else None


def recipients_of(settings: Mapping[str, Any], message: Message) -> list[str]:
    """Return the addresses of the recipients. Raises SendFailed for what is not one address."""
    found = []
    for template in settings["to"]:
        text = compile_text(template).make(message, TO)
        address = address_of(text)
        if address is None:
            raise SendFailed(Failure.REFUSED, f"{TO} makes no address of the event: {text[:100]!r}.", setting=TO)
        found.append(address)
    return found


def compose(connection: Connection, message: Message) -> EmailMessage:
    """Return the mail for an event, the same for every attempt but for the signature. Raises SendFailed."""
    settings = connection.settings
    mail = EmailMessage(policy=POLICY)
    mail["From"] = _header(settings["from"])
    mail["To"] = ", ".join(recipients_of(settings, message))
    if settings.get("reply_to"):
        mail["Reply-To"] = _header(settings["reply_to"])
    mail["Subject"] = _header(compile_text(settings["subject"]).fill(message))[:MAX_SUBJECT]
    mail["Date"] = formatdate(_published_at(message))
    mail["Message-ID"] = f"<{message.id}.{connection.endpoint or 'test'}@{_domain(settings)}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(settings, message))
    if settings.get("html"):
        mail.add_alternative(compile_text(settings["html"]).fill(message, escape), subtype="html")
    if settings["attach_event"]:
        for name, value in message.attributes.items():
            if name != CONTENT_TYPE:
                mail[name] = value
        _attach(mail, message)
    for number, part in enumerate(it for it in mail.walk() if it.is_multipart()):
        part.set_boundary(f"=_{sha256(message.id.encode()).hexdigest()[:32]}_{number}")
    return mail


def _header(text: str) -> str:
    """Return a text on one line, without control characters."""
    return " ".join("".join(it if it.isprintable() else " " for it in text).split())


def _text(settings: Mapping[str, Any], message: Message) -> str:
    if template := settings.get("text"):
        return compile_text(template.replace("\\n", "\n")).fill(message)
    if message.event is None:
        return message.body.decode("utf-8", "replace")
    return orjson.dumps(orjson.loads(message.body), option=orjson.OPT_INDENT_2).decode()


def _attach(mail: EmailMessage, message: Message) -> None:
    kind, _, rest = message.content_type.partition("/")
    subtype = rest.partition(";")[0].strip()
    if kind not in ("application", "text") or not re.fullmatch(r"[A-Za-z0-9.+-]+", subtype):
        kind, subtype = "application", "octet-stream"
    suffix = "json" if "json" in subtype else "txt"
    mail.add_attachment(message.body, maintype=kind, subtype=subtype, cte="base64", filename=f"{message.id}.{suffix}")


def _published_at(message: Message) -> float:
    """Return when the event was published, in unix seconds: part of its id, so the same in every attempt."""
    try:
        return (parse("evt", message.id).int >> 80) / 1000
    except ValueError:
        return float(message.timestamp)


def _domain(settings: Mapping[str, Any]) -> str:
    return (address_of(settings["from"]) or "").rpartition("@")[2]


def _tested(connection: Connection) -> str:
    with closing(EmailClient(connection, 5.0)):
        login = " and the login" if connection.settings.get("username") else ""
        return f"The server accepts the connection{login}; no mail was sent."


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
        server = _Guarded(host, address, _domain(settings), context if security == TLS else None, timeout)
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
