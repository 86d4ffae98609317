"""Tables as most applications have them: endpoints, events, deliveries, attempts; received messages."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Row(models.Model):
    """A row that is shown by its id."""

    objects: ClassVar[models.Manager[Any]] = models.Manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.pk}"


class Endpoint(Row):
    """A URL that receives events of these types."""

    url = models.TextField()
    secret = models.BinaryField()
    types = ArrayField(models.TextField())


class Event(Row):
    """An event to deliver."""

    type = models.TextField()
    body = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)


class Delivery(Row):
    """An event for an endpoint."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=9, default="pending")
    attempts = models.PositiveSmallIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["state"], name="usual_pending", condition=models.Q(state="pending"))]


class Attempt(Row):
    """One request of a delivery."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="history")
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(blank=True)


class Received(Row):
    """A received message; its id is unique."""

    message_id = models.CharField(max_length=256, unique=True)
    type = models.TextField()
    body = models.BinaryField()
    received_at = models.DateTimeField(auto_now_add=True)
