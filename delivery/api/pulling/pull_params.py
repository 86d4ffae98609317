"""Read what a consumer asks for: how many messages, after which, and how long to wait for one."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ValidationError

from delivery.pulling.cursor import Cursor, read_cursor
from subscriptions.errors import StateConflict
from subscriptions.models import POLL, Endpoint
from webhooks.kit.rest.fields.scalars import TextField
from webhooks.kit.rest.query_params import IntegerParam, QueryParams

DEFAULT_LIMIT = 50
MAX_LIMIT = 250  # messages
MAX_WAIT = 30  # seconds
NOT_A_CURSOR = "Not a cursor of this endpoint; give the `cursor` of a response, or the id of an event, as it is."


class PullParams(QueryParams):
    """The parameters of a pull."""

    after = TextField(
        required=False,
        max_length=128,
        help_text="`cursor` of the last response that this consumer got. Left out: a new consumer.",
    )
    limit = IntegerParam(
        required=False,
        default=DEFAULT_LIMIT,
        min_value=1,
        max_value=MAX_LIMIT,
        help_text="Most messages in a response, or in one step of a stream.",
    )
    wait = IntegerParam(
        required=False,
        default=0,
        min_value=0,
        max_value=MAX_WAIT,
        help_text="Seconds to wait for a message if there is none; a stream waits in any case.",
    )


def start_of(params: Mapping[str, Any], last_event_id: str | None = None) -> Cursor | None:
    """Return the position that a request continues behind; None: it begins a session. Raises ValidationError."""
    name, text = ("after", params["after"]) if "after" in params else ("Last-Event-ID", last_event_id)
    if not text:
        return None
    try:
        return read_cursor(str(text))
    except ValueError:
        raise ValidationError({name: [NOT_A_CURSOR]}) from None


def check_is_pulled(endpoint: Endpoint) -> None:
    """Raise StateConflict unless consumers pull the deliveries of an endpoint."""
    if not endpoint.is_pulled:
        text = f"The type of this endpoint is {endpoint.kind}: its deliveries are sent. Only the type {POLL} is pulled."
        raise StateConflict("type", text)
