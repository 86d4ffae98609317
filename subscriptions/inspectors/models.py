"""Store request inspectors and the requests that they received. Both are deleted when the inspector expires."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from subscriptions.endpoints.models import Endpoint
from subscriptions.tenants.models import Tenant
from webhooks.kit.rows import KeyedRow, Row

MAX_DELAY = 20_000  # milliseconds; longer than the default timeout of an endpoint, so that timeouts can be tried too


class Inspector(Row):
    """Model an address of a tenant that responds to every request and keeps it.

    Two tokens: who sends to the inspector (``token``) cannot read what others sent (``page_token``).
    """

    prefix = "insp"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="inspectors", db_index=False)
    name = models.CharField(max_length=256, blank=True, help_text="Name shown on the page.")
    token = models.CharField(max_length=43, unique=True, editable=False)
    page_token = models.CharField(max_length=43, unique=True, editable=False)
    response_status = models.PositiveSmallIntegerField(
        default=200,
        validators=[MinValueValidator(200), MaxValueValidator(599)],
        help_text="HTTP status of every response, from 200 to 599: `503`, for example, to see retries.",
    )
    response_delay_ms = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(MAX_DELAY)],
        help_text="Milliseconds before each response, at most 20,000: longer than the endpoint's `timeout_ms`, for "
        "example, to see timeouts.",
    )
    expires_at = models.DateTimeField(help_text="When the inspector and its requests are deleted.")

    class Meta:
        permissions = [("view_payload", "Can view requests that inspectors received")]
        app_label = "subscriptions"
        indexes = [
            models.Index(fields=["tenant", "id"], name="inspector_by_tenant"),  # reader: GET /inspectors/
            models.Index(fields=["expires_at"], name="inspector_by_expiry"),  # reader: delete_expired
        ]

    def __str__(self) -> str:
        return self.name or self.public_id


class InspectedRequest(KeyedRow):
    """Model a request that an inspector received: without the values of credentials, its body perhaps cut.

    ``is_verified``: whether an endpoint at the inspector's address signed it; null: there is no such endpoint.
    """

    prefix = "irq"
    inspector = models.ForeignKey(Inspector, models.CASCADE, related_name="requests", db_index=False)
    received_at = models.DateTimeField(default=timezone.now, help_text="When it was received.")
    method = models.CharField(max_length=32, help_text="HTTP method.")
    path = models.CharField(max_length=2048, help_text="Path and query.")
    headers = models.JSONField(
        help_text="Headers by name in lower case. Values that may hold credentials are `[removed]`."
    )
    body = models.BinaryField()
    body_bytes = models.PositiveIntegerField(help_text="Size of the whole body in bytes.")
    response_status = models.PositiveSmallIntegerField(help_text="HTTP status of the response.")
    is_verified = models.BooleanField(
        null=True,
        help_text="Whether the signature is that of an endpoint of the tenant with this address; null: there is none.",
    )
    verification = models.CharField(max_length=256, help_text="Why the signature is valid or not, in words.")
    endpoint = models.ForeignKey(Endpoint, models.SET_NULL, null=True, related_name="+", db_index=False)

    class Meta:
        app_label = "subscriptions"
        indexes = [
            models.Index(fields=["inspector", "id"], name="inspected_request_order"),  # readers: list, page, retention
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_cut(self) -> bool:
        """Return whether only the first part of the body was kept."""
        return self.body_bytes > len(self.body)
