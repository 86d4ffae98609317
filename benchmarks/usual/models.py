"""The tables one would write: endpoints, events, what is owed, and a row for each attempt."""

from django.db import models


class Endpoint(models.Model):
    url = models.TextField()
    secret = models.BinaryField()

    class Meta:
        app_label = "usual"

    def __str__(self) -> str:
        return self.url


class Event(models.Model):
    type = models.TextField()
    body = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "usual"

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"


class Delivery(models.Model):
    objects: "models.Manager[Delivery]" = models.Manager()
    event_id: int
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=9, default="pending")
    attempts = models.PositiveSmallIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "usual"
        indexes = [models.Index(fields=["state"], name="usual_pending", condition=models.Q(state="pending"))]

    def __str__(self) -> str:
        return f"{self.state} {self.pk}"


class Attempt(models.Model):
    objects: "models.Manager[Attempt]" = models.Manager()
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="history")
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        app_label = "usual"

    def __str__(self) -> str:
        return f"{self.status or self.error} {self.pk}"


class Received(models.Model):
    objects: "models.Manager[Received]" = models.Manager()
    message_id = models.CharField(max_length=256, unique=True)
    type = models.TextField()
    body = models.BinaryField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "usual"

    def __str__(self) -> str:
        return self.message_id
