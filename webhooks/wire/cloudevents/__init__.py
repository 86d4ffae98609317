"""Read and write CloudEvents 1.0.2: content modes over HTTP, JSON format, attribute grammar.

read(headers, body)    return the events of a request in any mode; raises InvalidEvent
"""

from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.http_modes import read
from webhooks.wire.errors import InvalidEvent

__all__ = ["Event", "InvalidEvent", "read"]
