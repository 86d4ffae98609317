"""What can be done with an endpoint beyond reading it; an address and a secret are checked here, whoever asks.

Its state has three values and few ways between them. The owner pauses and resumes. The platform disables, and
the owner enables again once the cause is cured; but what an operator has switched off, only an operator
switches on. Every change is one guarded UPDATE, so that of two at once one is told that things have changed.

A secret is shown when it is made, at creation and at rotation, and never again; of a key pair only the public half.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least, Now
from django.utils import timezone

from subscriptions.endpoints import encrypted_fields, verification
from subscriptions.endpoints.origins import check_endpoints_per_origin, origin_of
from subscriptions.endpoints.signing_secrets import V1, V1A, NewSecret, new_signing_secret
from subscriptions.endpoints.url_check import check_url
from subscriptions.errors import Invalid, StateConflict, uid_in_use
from subscriptions.models import Endpoint, OAuthToken, SigningSecret, Tenant
from subscriptions.tenants.plans import check_endpoint_limit
from webhooks.kit.encryption import decrypt, encrypt
from webhooks.kit.uids import unique_uid

__all__ = [
    "DEFAULT_OVERLAP",
    "MAX_OVERLAP",
    "MAX_SECRETS",
    "change_endpoint",
    "create_endpoint",
    "delete_endpoint",
    "disable",
    "enable",
    "pause",
    "resume",
    "rotate_secret",
    "set_state",
]

DEFAULT_OVERLAP = 86_400  # seconds
MAX_OVERLAP = 7 * 86_400  # seconds
MAX_SECRETS = 10  # that sign at once: each is a signature in the header of every delivery

ACTIVE, PAUSED, DISABLED = Endpoint.State.ACTIVE, Endpoint.State.PAUSED, Endpoint.State.DISABLED
UNVERIFIED = Endpoint.State.UNVERIFIED


def create_endpoint(
    tenant: Tenant, *, url: str, secret: str | None = None, signing: str | None = None, **fields: Any
) -> tuple[Endpoint, str]:
    """A new endpoint, and what its receiver verifies with: the secret of v1, the public key of v1a.

    Raises Refused for an address or a secret that may not be used, Taken for a uid in use, Exceeded if the plan
    allows no more. Takes the time of a look-up in the DNS, so no transaction that holds rows should be open.
    """
    if fields.get("state") in (DISABLED, UNVERIFIED):
        raise Invalid("state", "A new endpoint is active or paused.")
    check_url(url)
    issued = new_signing_secret(signing, secret)
    endpoint = Endpoint(tenant=tenant)
    _set(endpoint, {"url": url, **fields})
    with unique_uid(uid_in_use):
        endpoint.save(force_insert=True)
        check_endpoint_limit(tenant)
        check_endpoints_per_origin(endpoint)
        _keep(endpoint, issued)
    return endpoint, issued.shown


def change_endpoint(
    endpoint: Endpoint,
    fields: dict[str, Any],
    *,
    by_operator: bool = False,
    precondition: Callable[[], None] | None = None,
) -> Endpoint:
    """Write these fields, and no others; `state` moves as in `set_state`. Returns it as it is now.

    A precondition is called first in the transaction that writes; what it raises, this raises.
    Raises as create_endpoint, NotNow as set_state, Endpoint.DoesNotExist if it was deleted meanwhile.
    """
    fields = dict(fields)
    state = fields.pop("state", None)
    if "url" in fields:
        check_url(fields["url"])
    with unique_uid(uid_in_use):
        if precondition is not None:
            precondition()
        if fields:
            _write(endpoint, fields)
        if state is not None and not ("url" in fields and state == endpoint.state):
            set_state(endpoint, state, by_operator=by_operator)
    return _live(endpoint).get()


def set_state(endpoint: Endpoint, state: str, *, by_operator: bool = False) -> None:
    """Bring it into this state, if whoever asks may. Raises Refused or NotNow naming `state`."""
    if state == endpoint.state == UNVERIFIED:
        return
    if state == UNVERIFIED:
        raise Invalid("state", "An endpoint is unverified until it consents, and not by request.")
    if state == PAUSED:
        pause(endpoint)
    elif state == ACTIVE:
        enable(endpoint, by_operator=by_operator)
    elif by_operator:
        disable(endpoint, Endpoint.DisabledReason.OPERATOR)
    else:
        raise Invalid("state", "Only an operator disables an endpoint: pause it instead.")


def pause(endpoint: Endpoint) -> None:
    """Its deliveries wait. Raises NotNow for a disabled endpoint, which sends nothing anyway."""
    _move(endpoint, to=PAUSED, allowed=Q(state__in=[ACTIVE, PAUSED, UNVERIFIED]))


def resume(endpoint: Endpoint) -> None:
    """What has waited since it was paused goes out. Raises NotNow for a disabled endpoint, and for one that has not
    consented where that is required."""
    _move(endpoint, to=ACTIVE, allowed=Q(state__in=[ACTIVE, PAUSED, UNVERIFIED]) & _may_be_active())


def enable(endpoint: Endpoint, *, by_operator: bool = False) -> None:
    """Back to work from any state. Raises NotNow if an operator has disabled it and somebody else enables it, and if
    it has not consented where that is required."""
    operators = Q(state=DISABLED, disabled_reason=Endpoint.DisabledReason.OPERATOR)
    _move(endpoint, to=ACTIVE, allowed=(Q() if by_operator else ~operators) & _may_be_active())


def enable_after_successful_test(endpoint: Endpoint) -> bool:
    """It has answered a test: if it was disabled for its own failures it is back to work. Whether it was."""
    ours = [Endpoint.DisabledReason.RESPONDED_410, Endpoint.DisabledReason.FAILING]
    changes = {"state": ACTIVE, "disabled_reason": "", "state_changed_at": Now()}
    failed = _live(endpoint).filter(_may_be_active(), state=DISABLED, disabled_reason__in=ours)
    return failed.update(**changes) > 0


def disable(endpoint: Endpoint, reason: str) -> bool:
    """Nothing is sent until it is enabled. False if it was disabled (or deleted) already: the first reason stays."""
    changes = {"state": DISABLED, "disabled_reason": reason, "state_changed_at": Now()}
    return _live(endpoint).exclude(state=DISABLED).update(**changes) > 0


def rotate_secret(
    endpoint: Endpoint,
    overlap_seconds: int = DEFAULT_OVERLAP,
    secret: str | None = None,
    signing: str | None = None,
) -> str:
    """A new secret (the one given, or one of ours, by default for the scheme of the current one), and what the
    receiver verifies with from now on. Older ones go on signing beside it for the overlap, 0 to 7 days in seconds,
    and never longer than they had: 0 ends all of them at once.

    Raises Refused for an overlap or a secret that may not be used, NotNow when too many would sign at once,
    Endpoint.DoesNotExist for a deleted endpoint.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP:
        raise Invalid("overlap_seconds", f"Give 0 to {MAX_OVERLAP} seconds.")
    with transaction.atomic():
        _live(endpoint).select_for_update().get()
        issued = new_signing_secret(signing or (_scheme_of(endpoint) if secret is None else None), secret)
        now = timezone.now()
        ends_at = now + timedelta(seconds=overlap_seconds)
        endpoint.secrets.filter(expires_at__lte=now).delete()
        endpoint.secrets.update(expires_at=Least(F("expires_at"), ends_at))  # least() passes over NULL
        still_signing = list(endpoint.secrets.filter(expires_at__gt=now))
        if len(still_signing) >= MAX_SECRETS:
            raise StateConflict("overlap_seconds", f"{MAX_SECRETS} secrets sign already: use a shorter overlap.")
        if any(decrypt(old.ciphertext) == issued.text for old in still_signing):
            raise Invalid("secret", "This secret is in use already.")
        _keep(endpoint, issued)
    return issued.shown


def delete_endpoint(endpoint: Endpoint) -> None:
    """It gets nothing any more, and its uid is free. The row stays for the history of its deliveries, while
    its subscriptions, secrets and token go. A second time changes nothing."""
    with transaction.atomic():
        if _live(endpoint).update(deleted_at=timezone.now()):
            endpoint.subscriptions.all().delete()
            endpoint.secrets.all().delete()
            OAuthToken.objects.filter(endpoint=endpoint.pk).delete()


def _live(endpoint: Endpoint) -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(pk=endpoint.pk, deleted_at=None)


def _write(endpoint: Endpoint, fields: dict[str, Any]) -> None:
    """Raises Endpoint.DoesNotExist, and what `confidential.changed` raises."""
    row = _live(endpoint).select_for_update().get()
    before, url = row.origin, row.url
    _set(row, fields)
    if row.url != url:
        row.url_changed_at = Now()
    row.save()
    if row.origin != before:
        check_endpoints_per_origin(row)


def _set(row: Endpoint, fields: dict[str, Any]) -> None:
    """Give the row these values; what of them is confidential, encrypted."""
    confidential = {name: fields.pop(name) for name in encrypted_fields.FIELDS if name in fields}
    if fields.get("url", row.url) != row.url:
        row.origin = origin_of(fields["url"])
        row.state = fields.get("state", row.state)
        verification.reset(row)
        fields = {name: value for name, value in fields.items() if name != "state"}
    for name, value in fields.items():
        setattr(row, name, value)
    if confidential:
        given = encrypted_fields.apply_changes(row, confidential)
        for name, value in encrypted_fields.to_columns(given).items():
            setattr(row, name, value)
    if row.tls and row.url[:5].lower() == "http:":
        raise Invalid("tls", "Only https addresses have certificates.")


def _may_be_active() -> Q:
    return Q(verification=Endpoint.Verification.VERIFIED) if verification.is_required() else Q()


def _move(endpoint: Endpoint, *, to: str, allowed: Q) -> None:
    changes = {"state": to, "disabled_reason": "", "state_changed_at": Now()}
    if _live(endpoint).filter(allowed).exclude(state=to).update(**changes):
        return
    now = _live(endpoint).get()
    if now.state == to:
        return
    if now.state == DISABLED and not (to == ACTIVE and now.disabled_reason != "operator"):
        raise StateConflict(
            "state", "The endpoint is disabled" + (" by an operator." if now.disabled_reason == "operator" else ".")
        )
    raise StateConflict("state", "The endpoint is not verified; POST to its verification/.")


def _keep(endpoint: Endpoint, issued: NewSecret) -> None:
    SigningSecret.objects.create(endpoint=endpoint, ciphertext=encrypt(issued.text), public_key=issued.public_key)


def _scheme_of(endpoint: Endpoint) -> str:
    return V1A if endpoint.secrets.filter(expires_at=None).exclude(public_key="").exists() else V1
