"""Send mail by SMTP: one event, one message, with subject, text and HTML by templates.

A mail is delivered when the server has accepted it for all recipients; if it refuses one of them, none gets it. What
follows from the event is the same in every attempt, also the Message-ID, by which a repeat is recognised.
"""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from delivery.destinations.mail_message import TO, address_of, compose, recipients_of
from delivery.destinations.smtp_client import HOST, NONE, PORTS, STARTTLS, TLS, EmailClient
from delivery.transports.message import Message
from delivery.transports.message_texts import InvalidText, compile_text
from delivery.transports.sockets.kind import ShownMessage, SocketKind, tried
from subscriptions.endpoints.destinations.kind import Connection, InvalidSettings, Setting
from webhooks.outgoing.brokers.hosts import problems_of_host
from webhooks.outgoing.guarded_host import split_host

MAX_RECIPIENTS = 20


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

    def connect(self, connection: Connection, timeout: float) -> EmailClient:
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


def _tested(connection: Connection) -> str:
    with closing(EmailClient(connection, 5.0)):
        login = " and the login" if connection.settings.get("username") else ""
        return f"The server accepts the connection{login}; no mail was sent."
