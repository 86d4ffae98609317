"""Show the request that a connector would send for an event, with its credentials masked. Nothing is sent or stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from delivery.reading.requests.dry_run import DryRunEvent, dry_run, parse_event
from subscriptions.connectors.connector import Connector
from subscriptions.connectors.fill import fill_masked, own_transformer
from subscriptions.endpoints.http.credentials import body_member, client_credentials
from subscriptions.endpoints.http.encrypted_fields import EncryptedFields, request_headers
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from subscriptions.routing.compiled_patterns import compile_transformer
from subscriptions.routing.targets import DeliveryTarget, HttpTarget
from webhooks.wire.header_values import curl_line
from webhooks.wire.ids import new_id
from webhooks.wire.step_budget import StepBudget

ALL_TYPES = ["*"]


@dataclass(frozen=True, slots=True)
class ConnectorPreview:
    """Hold the request; ``transformation_error``: why there is none for this event."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"
    transformation_error: str = ""


def sample_event(connector: Connector) -> DryRunEvent:
    """Return the sample of a connector."""
    return parse_event(connector.sample)


def preview(
    connector: Connector,
    settings: Mapping[str, Any],
    message: str,
    event: DryRunEvent,
    tenant_id: UUID,
    budget: StepBudget,
    transformer: Mapping[str, Any] | None = None,
) -> ConnectorPreview:
    """Compose the request of one message of a connector. Raises InvalidParts for wrong settings, BudgetExceeded.

    ``transformer``: makes the body in place of the message's. Raises Invalid for ``message`` if the connector has none
    of this name.
    """
    try:
        found = connector.message(message)
    except KeyError:
        raise Invalid("message", f"Must be one of: {', '.join(it.name for it in connector.messages)}.") from None
    filled = fill_masked(connector, settings)
    target = _target(filled.url, filled.headers, filled.auth, tenant_id)
    made = filled.transformers[found.name] if transformer is None else own_transformer(found, transformer)
    result = dry_run(event, ALL_TYPES, None, compile_transformer(made, tenant_id), target, budget)
    if result.preview is None:
        return ConnectorPreview(filled.url, {}, b"", transformation_error=result.transformation_error)
    return ConnectorPreview(filled.url, result.preview.headers, result.preview.body)


def _target(url: str, headers: Mapping[str, str], auth: Mapping[str, str], tenant_id: UUID) -> DeliveryTarget:
    lines = tuple(curl_line(name, it) for name, it in request_headers(EncryptedFields(headers, auth)).items())
    http = HttpTarget(
        url=url,
        headers=lines,
        content_mode="structured",
        admits=None,
        oauth=client_credentials(auth),
        body_member=body_member(auth),
    )
    return DeliveryTarget(
        endpoint_id=new_id(),
        tenant_id=tenant_id,
        version=0,
        state=Endpoint.State.ACTIVE,
        address=url,
        timeout_ms=15_000,
        max_in_flight=1,
        rate_limit=None,
        ordering="",
        retry_plan=None,
        signer=None,
        valid_until=None,
        http=http,
    )
