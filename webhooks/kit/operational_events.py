"""Define the signal by which a room publishes an event of the platform itself, without importing the provider.

``operational_event`` has the arguments ``event_type``, ``tenant_id`` (a UUID; None: what it is about has no tenant, so
only the platform's own receives it) and ``data``. Receivers run in the sender's transaction, so that the event is
stored if and only if the change is that it is about. In a project without the provider there is no receiver.
"""

from django.dispatch import Signal

operational_event = Signal()
