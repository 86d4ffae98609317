"""Store what the channels of a rule get that are no endpoints: e-mail addresses and URLs of Apprise."""

from delivery.alerts.messages import Message
from delivery.models import AlertChannel, AlertMessage, AlertRule

STORED = (AlertChannel.Type.EMAIL, AlertChannel.Type.APPRISE)


def deliver_to_channels(rule: AlertRule, made: Message) -> int:
    """Store a message for each channel that is no endpoint and may be used; return their number."""
    channels = [it for it in rule.channel_rows.select_related("address") if it.type in STORED and is_usable(it)]
    rows = [
        AlertMessage(
            rule=rule, channel=it, kind=made.occasion.value, email=it.email, title=made.title[:256], text=made.text
        )
        for it in channels
    ]
    return len(AlertMessage.objects.bulk_create(rows))


def is_usable(channel: AlertChannel) -> bool:
    """Return whether messages may be sent: the address of a tenant has to be confirmed."""
    return channel.address is None or channel.address.confirmed_at is not None
