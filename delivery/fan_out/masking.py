"""Decide what of an event an endpoint gets: as it is stored, masked for it, or the original that was not masked.

A body that is not masked is encrypted in the delivery's row, so that what is stored stays masked; it is decrypted when
it is sent. The original is kept, encrypted too, only while the tenant has endpoints that get it: for fan-outs and
replays that come later.
"""

from collections.abc import Callable
from functools import partial
from uuid import UUID

from delivery.models import Delivery
from subscriptions.masking.keys import endpoint_keys
from subscriptions.routing.route_table import Route
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import read_structured, write_structured
from webhooks.wire.masking import CannotMask, Masks
from webhooks.wire.step_budget import StepBudget
from webhooks.wire.transform import Unrenderable

Original = Callable[[], Event | None]
"""Returns an event before it was masked; None: it was not masked, or its original is not kept."""


def no_original() -> None:
    """Return None: the event is as it was published."""


def stored_original(ciphertext: bytes | memoryview | None) -> Original:
    """Return what decrypts a stored original when it is needed. It raises Unrenderable if no key decrypts it."""
    return no_original if ciphertext is None else partial(_decrypted, bytes(ciphertext))


def encrypt_body(body: bytes) -> bytes:
    """Encrypt a body, or an original, for storage."""
    return encrypt(body.decode())


def is_shaped(route: Route) -> bool:
    """Return whether the endpoint may get another event than the one that is stored."""
    return route.masks is not None or route.is_unmasked


def event_for(route: Route, tenant_id: UUID, event: Event, original: Original, steps: StepBudget) -> tuple[Event, bool]:
    """Return the event that the endpoint gets, and whether it has to be encrypted in storage.

    Raises Unrenderable if it cannot be masked, and BudgetExceeded.
    """
    given = original() if route.is_unmasked else None
    chosen = event if given is None else given
    if route.masks is not None:
        chosen = masked_for(route.masks, tenant_id, route.endpoint_id, chosen, steps)
    return chosen, given is not None


def masked_for(masks: Masks, tenant_id: UUID, endpoint_id: UUID, event: Event, steps: StepBudget) -> Event:
    """Return the event masked for an endpoint. Raises Unrenderable and BudgetExceeded."""
    try:
        return masks.apply(event, partial(endpoint_keys, tenant_id, endpoint_id), steps)
    except CannotMask as error:
        raise Unrenderable(f"the data {error}") from None


def form_of(*, is_event: bool, is_encrypted: bool) -> Delivery.Form | None:
    """Return what a delivery's own body is."""
    if is_encrypted:
        return Delivery.Form.ENCRYPTED_EVENT if is_event else Delivery.Form.ENCRYPTED_BODY
    return Delivery.Form.EVENT if is_event else None


def body_of(event: Event, *, is_encrypted: bool) -> bytes:
    """Return the body of a delivery that sends this event itself."""
    body = write_structured(event)
    return encrypt_body(body) if is_encrypted else body


def _decrypted(ciphertext: bytes) -> Event:
    try:
        return read_structured(decrypt(ciphertext).encode())
    except CannotDecrypt:
        raise Unrenderable("the original of the event cannot be decrypted") from None
