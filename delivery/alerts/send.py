"""Send the messages about alerts that are due to e-mail addresses and URLs of Apprise.

``run`` is a task; several processes may run it, web processes too while the workers do not (``is_neglected``). A
message is claimed by a token, sent outside a transaction, and settled if the token is still its own. A process that is
killed between sending and settling lets it be sent again after CLAIM_SECONDS: mail has the same ``Message-ID`` then, by
which mail programs drop the second. (Endpoints get their messages as deliveries, with all that deliveries have.)
"""

from collections.abc import Sequence
from datetime import timedelta
from importlib import import_module
from uuid import UUID, uuid4

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from delivery import telemetry
from delivery.alerts.addresses import link_of
from delivery.models import AlertMessage
from webhooks.kit.encryption import decrypt
from webhooks.kit.sql import database_now

HAS_DUE_MESSAGES = "EXISTS (SELECT FROM delivery_alertmessage WHERE next_attempt_at <= now())"  # reader: the schedule
NEGLECTED_AFTER = 30.0  # seconds that a due message waits until a web process sends it
BATCH = 20
CLAIM_SECONDS = 120.0
WAITS = (30, 120, 600, 1_800, 3_600, 3 * 3_600)  # seconds after each failure; after the last the message has failed
STATE = AlertMessage.State


class NotSent(Exception):
    """The other side did not accept a message; the text is the reason."""


def run() -> int:
    """Send the messages that are due; return how many were sent."""
    token, sent = uuid4(), 0
    for message in claim(token):
        try:
            _send(message)
        except Exception as error:  # of any mail server or service; the other messages must go on
            _retry(message, error)
        else:
            sent += 1
            _settle(message, {"state": STATE.SENT, "sent_at": database_now(), "next_attempt_at": None})
    return sent


def is_neglected() -> bool:
    """Return whether a message is due that no process has claimed for NEGLECTED_AFTER seconds."""
    late = database_now() - timedelta(seconds=NEGLECTED_AFTER)
    return AlertMessage.objects.filter(next_attempt_at__lte=late).exists()


def claim(token: UUID) -> Sequence[AlertMessage]:
    """Claim the messages that are due under a token, and return them."""
    with transaction.atomic():
        due = AlertMessage.objects.filter(next_attempt_at__lte=database_now()).order_by("next_attempt_at")
        ids = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
        until = database_now() + timedelta(seconds=CLAIM_SECONDS)
        AlertMessage.objects.filter(pk__in=ids).update(token=token, next_attempt_at=until)
    return list(AlertMessage.objects.filter(token=token).select_related("channel__address"))


def _send(message: AlertMessage) -> None:
    if message.channel is not None and message.channel.ciphertext is not None:
        _send_by_apprise(decrypt(message.channel.ciphertext), message)
    else:
        _send_by_mail(message)


def _send_by_mail(message: AlertMessage) -> None:
    address = None if message.channel is None else message.channel.address
    stop = (
        "" if address is None else f"\n\n-- \nYou get this since you confirmed your address. Stop: {link_of(address)}"
    )
    sender = settings.WAYPOST_MAIL_FROM
    headers = {
        "Message-ID": f"<{message.public_id}@{sender.rpartition('@')[2].rstrip('>')}>",
        "Auto-Submitted": "auto-generated",
    }
    EmailMessage(message.title, message.text + stop, sender, [message.email], headers=headers).send()


def _send_by_apprise(url: str, message: AlertMessage) -> None:
    client = import_module("apprise").Apprise()  # an extra of the installation, which takes half a second to import
    if not client.add(url) or not client.notify(title=message.title, body=message.text):
        raise NotSent("Apprise did not deliver the message.")


def _retry(message: AlertMessage, error: Exception) -> None:
    """Try a message again later, or give it up."""
    is_over = message.attempts >= len(WAITS)
    changes = {
        "attempts": message.attempts + 1,
        "last_error": f"{type(error).__name__}: {error}"[:512] if isinstance(error, NotSent) else type(error).__name__,
        "state": STATE.FAILED if is_over else STATE.PENDING,
        "next_attempt_at": None if is_over else database_now() + timedelta(seconds=WAITS[message.attempts]),
    }
    telemetry.alert_message_failed(message.pk, type(error).__name__, is_over=is_over)
    _settle(message, changes)


def _settle(message: AlertMessage, changes: dict[str, object]) -> None:
    AlertMessage.objects.filter(pk=message.pk, token=message.token).update(**changes, token=None)
