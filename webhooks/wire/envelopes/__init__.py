"""Open envelopes: read the events in a message that another product wraps in a form of its own.

    opening.py       the table of envelopes; open a message, once or several levels deep
    message.py       Message and the functions that several openers share
    cloudevents.py   CloudEvents in every content mode
    eventbridge.py   Amazon EventBridge
    s3.py            Amazon S3 event notifications
    sns.py           Amazon SNS notifications, with another envelope in them or not
    event_grid.py    Azure Event Grid
    pubsub.py        Google Cloud Pub/Sub push, with another envelope in it or not
    standard.py      Standard Webhooks and Svix

An opener has two functions: ``is_envelope`` returns, by a few scalars of the body, whether a message has its form;
``open_events`` returns the events in it. A new envelope is a new file and a line in the table of ``opening``.
"""

from webhooks.wire.envelopes.message import Message
from webhooks.wire.envelopes.opening import (
    AUTO,
    NONE,
    OPENERS,
    has_inner_labels,
    is_recognized,
    members_to_recognize,
    open_message,
    wrap_message,
)

__all__ = [
    "AUTO",
    "NONE",
    "OPENERS",
    "Message",
    "has_inner_labels",
    "is_recognized",
    "members_to_recognize",
    "open_message",
    "wrap_message",
]
