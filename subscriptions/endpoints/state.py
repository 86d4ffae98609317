"""Change the state of an endpoint: active, paused, disabled or unverified.

The owner pauses and resumes. The platform disables an endpoint that fails or responds 410, and the owner may enable
it again; an endpoint that an operator disabled, only an operator enables. Each change is one guarded UPDATE, so of two
concurrent changes that exclude each other one raises StateConflict. To become active locks the endpoint before: the
verification is in another row, and an UPDATE that waited for a lock would see it as it was before.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from subscriptions.endpoints.http import verification
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint, HttpSettings

ACTIVE, PAUSED, DISABLED = Endpoint.State.ACTIVE, Endpoint.State.PAUSED, Endpoint.State.DISABLED
UNVERIFIED = Endpoint.State.UNVERIFIED
BY_OPERATOR = Endpoint.DisabledReason.OPERATOR
FOR_FAILURES = (Endpoint.DisabledReason.RESPONDED_410, Endpoint.DisabledReason.FAILING)


def existing(endpoint: Endpoint) -> QuerySet[Endpoint]:
    """Return a query for the row of this endpoint; empty if it was deleted."""
    return Endpoint.objects.filter(pk=endpoint.pk, deleted_at=None)


def set_state(endpoint: Endpoint, state: str, *, by_operator: bool = False, note: str = "") -> None:
    """Change to this state. ``note``: why, if an operator disables it.

    Raises Invalid for a state the caller may not set, StateConflict as the functions below.
    """
    if note and not (by_operator and state == DISABLED):
        raise Invalid("disabled_note", "Must be empty unless an operator sets the state to disabled.")
    if state == endpoint.state == UNVERIFIED:
        return
    if state == UNVERIFIED:
        raise Invalid("state", "Must be active or paused; unverified is set by Waypost.")
    if state == PAUSED:
        pause(endpoint)
    elif state == ACTIVE:
        enable(endpoint, by_operator=by_operator)
    elif by_operator:
        disable(endpoint, BY_OPERATOR, note)
    else:
        raise Invalid("state", "Must be active or paused; only an operator can disable an endpoint.")


def pause(endpoint: Endpoint) -> None:
    """Make the endpoint's deliveries wait. Raises StateConflict for a disabled endpoint, which sends nothing anyway."""
    _change(endpoint, to=PAUSED, allowed=Q(state__in=[ACTIVE, PAUSED, UNVERIFIED]))


def resume(endpoint: Endpoint) -> None:
    """Send what waited while the endpoint was paused.

    Raises StateConflict for a disabled endpoint, and for an unverified one where verification is required.
    """
    _change(endpoint, to=ACTIVE, allowed=Q(state__in=[ACTIVE, PAUSED, UNVERIFIED]) & may_be_active())


def enable(endpoint: Endpoint, *, by_operator: bool = False) -> None:
    """Activate the endpoint, whatever its state.

    Raises StateConflict if an operator disabled it and the caller is none, or if a required verification is missing.
    """
    disabled_by_operator = Q(state=DISABLED, disabled_reason=BY_OPERATOR)
    _change(endpoint, to=ACTIVE, allowed=(Q() if by_operator else ~disabled_by_operator) & may_be_active())


def enable_after_successful_test(endpoint: Endpoint) -> bool:
    """Activate an endpoint that was disabled for its failures; return whether it was."""
    changes = {"state": ACTIVE, "disabled_reason": "", "disabled_note": "", "state_changed_at": Now()}
    failed = existing(endpoint).filter(may_be_active(), state=DISABLED, disabled_reason__in=FOR_FAILURES)
    with _locked(endpoint):
        return failed.update(**changes) > 0


def disable(endpoint: Endpoint, reason: str, note: str = "") -> bool:
    """Stop sending until the endpoint is enabled. ``note``: what an operator said.

    Return False if it was disabled already: the first reason stays.
    """
    changes = {"state": DISABLED, "disabled_reason": reason, "disabled_note": note, "state_changed_at": Now()}
    return existing(endpoint).exclude(state=DISABLED).update(**changes) > 0


def mark_repaired(endpoint: Endpoint) -> None:
    """Record that the endpoint works again, as its owner or an operator says.

    The drains probe it at once and make its retries due. Raises StateConflict unless the endpoint is active.
    """
    if not existing(endpoint).filter(state=ACTIVE).update(repaired_at=Now()):
        raise StateConflict("state", "The endpoint is not active; set its state to active.")


def may_be_active() -> Q:
    """Match endpoints that are verified or need not be; kinds without a verification need none."""
    unverified = HttpSettings.objects.exclude(verification=HttpSettings.Verification.VERIFIED)
    return ~Q(Exists(unverified.filter(endpoint=OuterRef("pk")))) if verification.is_required() else Q()


@contextmanager
def _locked(endpoint: Endpoint) -> Iterator[None]:
    with transaction.atomic():
        existing(endpoint).select_for_update().first()
        yield


def _change(endpoint: Endpoint, *, to: str, allowed: Q) -> None:
    """Change to this state if ``allowed`` matches the row; else raise StateConflict with the reason."""
    changes = {"state": to, "disabled_reason": "", "disabled_note": "", "state_changed_at": Now()}
    with _locked(endpoint):
        if existing(endpoint).filter(allowed).exclude(state=to).update(**changes):
            return
    row = existing(endpoint).get()
    if row.state == to:
        return
    is_unverified = not existing(endpoint).filter(may_be_active()).exists()
    if row.state == DISABLED and row.disabled_reason == BY_OPERATOR:
        raise StateConflict("state", "The endpoint is disabled by an operator.")
    if row.state == DISABLED and not (to == ACTIVE and is_unverified):
        raise StateConflict("state", "The endpoint is disabled.")
    raise StateConflict("state", "The endpoint is not verified; POST to its verification/.")
