"""Keep deliveries until a consumer pulls them: for consumers that cannot be called, such as those behind a firewall.

Nothing is sent, so there is no engine: ``delivery.pulling`` hands the messages out and settles what the consumers
report.
"""

from collections.abc import Mapping
from typing import Any

from delivery.transports.message import Message
from delivery.transports.shown_message import ShownMessage
from subscriptions.endpoints.destinations.kind import Connection, Kind, Setting

VISIBILITY_TIMEOUT = "visibility_timeout"
DEFAULT_VISIBILITY = 30  # seconds
LONGEST_VISIBILITY = 43_200  # seconds: half a day
ADDRESS = "pulled by consumers"


class Poll(Kind):
    """Endpoints whose messages are pulled."""

    name = "poll"
    label = "Pulled by consumers"
    description = (
        "Deliveries wait until a consumer fetches them, by `GET /endpoints/{ref}/messages/` or as Server-Sent Events, "
        "and acknowledges them. At least once: what is not acknowledged within the visibility timeout is handed out "
        "again."
    )
    settings = (
        Setting(
            VISIBILITY_TIMEOUT,
            "Visibility timeout",
            "Seconds that a consumer has to acknowledge a message. Then the attempt has failed, and the message is "
            "handed out again, to any consumer.",
            type="number",
            default=DEFAULT_VISIBILITY,
            minimum=1,
            maximum=LONGEST_VISIBILITY,
        ),
    )

    def address(self, settings: Mapping[str, Any]) -> str:
        return ADDRESS

    def test(self, connection: Connection) -> str:
        return "There is nothing to connect to: consumers fetch the messages."

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        """Return the message as a consumer gets it."""
        return ShownMessage("GET", ADDRESS, message.attributes, message.body)
