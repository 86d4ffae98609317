"""Respond to a request of EventBridge's PutEvents as EventBridge does, so that clients of AWS can read it.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html. The response is 200 even if entries
failed: each entry has its own result, an id or an error, in order.
"""

from collections.abc import Sequence
from typing import Any

from delivery.publishing.results import EventLimitExceeded, Published
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.eventbridge import UnknownMember, member_of_entry


def put_events_response(results: Sequence[Published]) -> dict[str, Any]:
    """Return the response to a request whose entries have these results."""
    entries = [_failed(index, it.error) if it.error else {"EventId": it.id} for index, it in enumerate(results)]
    return {"FailedEntryCount": sum("ErrorCode" in it for it in entries), "Entries": entries}


def _failed(index: int, error: InvalidEvent) -> dict[str, Any]:
    member = error.attribute if isinstance(error, UnknownMember) else member_of_entry(error.attribute)
    where = f"Entries[{index}].{member}" if member else f"Entries[{index}]"
    return {"ErrorCode": _code(error, member), "ErrorMessage": f"{where} {error.reason}"}


def _code(error: InvalidEvent, member: str) -> str:
    if isinstance(error, EventLimitExceeded) and error.exceeded.limit != "max_event_bytes":
        return "ThrottlingException"
    return "MalformedDetail" if member == "Detail" else "InvalidArgument"
