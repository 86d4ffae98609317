"""Compose the mail for an event, the same in every attempt: recipients, subject, text and HTML by templates.

Values of an event cannot add headers or recipients: what is not one address is refused, and a header has no line ends.
"""

import re
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from hashlib import sha256
from html import escape
from typing import Any

import orjson

from delivery.transports.message import CONTENT_TYPE, Message
from delivery.transports.message_texts import compile_text
from delivery.transports.outcome import Failure
from delivery.transports.sockets.kind import SendFailed
from subscriptions.endpoints.destinations.kind import Connection
from webhooks.wire.ids import parse

TO = "settings.to"
MAX_SUBJECT = 250  # characters
POLICY = SMTP.clone(cte_type="7bit", max_line_length=200)
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9-]{1,63}){0,10}"
)
_NAMED = re.compile(r"([^<>\r\n]{0,100})<([^<>]*)>")


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
    mail["Message-ID"] = f"<{message.id}.{connection.endpoint or 'test'}@{domain_of(settings)}>"
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


def domain_of(settings: Mapping[str, Any]) -> str:
    """Return the domain of the sender."""
    return (address_of(settings["from"]) or "").rpartition("@")[2]
