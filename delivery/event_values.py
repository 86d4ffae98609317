"""Define the values by which published events can be found."""

from django.db import models


class EventValue(models.Model):
    """A value of an event at an indexed path of its type, as a digest; erased with the event's data.

    Written in the transaction that stores the event, only for types with indexed paths. There is no foreign key, as in
    the other large tables. The primary key finds the values of an event: it serves erasure and retention.
    """

    pk = models.CompositePrimaryKey("event_id", "path", "digest")
    event_id = models.UUIDField()
    path = models.TextField(help_text="The indexed path, such as data.order.id.")
    digest = models.BinaryField(help_text="The first 16 bytes of the SHA-256 of the value's text.")
    tenant_id = models.UUIDField()

    class Meta:
        app_label = "delivery"
        indexes = [
            # readers: the filter by value, the search of the admin
            models.Index(fields=["tenant_id", "digest", "event_id"], name="event_value_by_digest"),
        ]

    def __str__(self) -> str:
        return f"value of {self.event_id} at {self.path}"
