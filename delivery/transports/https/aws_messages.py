"""Write what messages of SQS and SNS have in common: attributes, groups, and the results of the entries of a batch.

PURE.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from delivery.transports.https import aws
from delivery.transports.message import TIMESTAMP, Message
from delivery.transports.order_keys import accepted_key
from delivery.transports.outcome import Failure, Outcome

UNORDERED = "unordered-"  # begins the group of a message that has no order key
_NOT_IN_GROUP = re.compile(r"[^!-~]")
_TYPES = {TIMESTAMP: "Number"}


def attributes_of(message: Message) -> dict[str, dict[str, str]]:
    """Return the attributes of a message, each with its data type; an empty value is not accepted there."""
    return {
        name: {"DataType": _TYPES.get(name, "String"), "StringValue": value}
        for name, value in message.attributes.items()
        if value
    }


def size_of(message: Message) -> int:
    """Return the bytes that count: the body, and names, types and values of the attributes."""
    attributes = attributes_of(message).items()
    return len(message.body) + sum(len(name) + sum(map(len, value.values())) for name, value in attributes)


def group_of(message: Message) -> str:
    """Return the message group: the order key, or its digest unless it is up to 128 characters of printable ASCII."""
    key = message.order_key
    if key is None:
        return UNORDERED + message.id
    return accepted_key(key, fits=len(key) <= 128 and not _NOT_IN_GROUP.search(key))


def entry_outcomes(
    outcome: Outcome, count: int, sent: Mapping[str, str], failures: Mapping[str, Mapping[str, Any]]
) -> Sequence[Outcome]:
    """Return the outcome of each entry of a batch: its id there is its number.

    ``sent``: ids of stored messages. ``failures``: ``Code``, ``Message`` and ``SenderFault``. An entry that the
    response does not name may be stored or not, and is repeated.
    """
    return [_entry_outcome(outcome, sent.get(str(number)), failures.get(str(number))) for number in range(count)]


def _entry_outcome(outcome: Outcome, message_id: str | None, failure: Mapping[str, Any] | None) -> Outcome:
    if failure is not None:
        status = 400 if failure.get("SenderFault") else 500
        return aws.failed(outcome, str(failure.get("Code", "")), str(failure.get("Message", "")), status)
    if message_id is None:
        return outcome._replace(failure=Failure.PROTOCOL)
    return outcome._replace(response=message_id.encode())
