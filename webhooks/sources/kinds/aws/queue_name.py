"""Parse what names a queue of Amazon SQS: its name, ARN or URL."""

from typing import NamedTuple
from urllib.parse import urlsplit


class QueueName(NamedTuple):
    """A queue as it is named by a name, an ARN or a URL; ``url`` is empty unless it was given."""

    name: str
    account: str = ""
    region: str = ""
    url: str = ""


def parse_queue(text: str) -> QueueName:
    """Return a queue by its name, ARN or URL. Raises ValueError with a sentence."""
    if text.startswith("arn:"):
        parts = text.split(":")
        if len(parts) != 6 or parts[2] != "sqs" or not parts[5]:
            raise ValueError("Must be the ARN of a queue, such as arn:aws:sqs:eu-north-1:123456789012:orders.")
        return QueueName(parts[5], parts[4], parts[3])
    if "://" not in text:
        if not text or "/" in text:
            raise ValueError("Must be the URL, ARN or name of a queue.")
        return QueueName(text)
    url = urlsplit(text)
    account, _, name = url.path.strip("/").rpartition("/")
    labels = (url.hostname or "").split(".")
    if not name or url.scheme not in ("http", "https"):
        raise ValueError(
            "Must be the URL of a queue, such as https://sqs.eu-north-1.amazonaws.com/123456789012/orders."
        )
    region = labels[labels.index("sqs") + 1] if "sqs" in labels[:-2] and "amazonaws" in labels else ""
    return QueueName(name, account.rpartition("/")[2], region, text)
