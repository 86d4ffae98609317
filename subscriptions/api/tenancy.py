"""Which tenant a request is about: its key says so, or an operator does; nothing is looked up outside of it.

An operator names the tenant in the header ``Waypost-Tenant`` or as ``?tenant=``, by its id or its uid. Without
one, lists show every tenant, and nothing that belongs to a tenant can be created. A tenant may name itself;
whatever is not its own does not exist (404), and the answer for foreign and for unknown is one and the same.
"""

from contextlib import suppress
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.exceptions import APIException, ErrorDetail, NotFound, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.errors import AlreadyExists, Invalid, LimitExceeded, Stale, StateConflict
from subscriptions.models import Row, Tenant
from subscriptions.validation import is_uid
from webhooks.wire.ids import parse

__all__ = [
    "HEADER",
    "Conflict",
    "PlanExceeded",
    "PreconditionFailed",
    "TenantScoped",
    "find",
    "problem_of",
    "tenant_id_of",
    "tenant_of",
]

HEADER = "Waypost-Tenant"

M = TypeVar("M", bound=Row)
Rows = TypeVar("Rows", bound="QuerySet[Any]")


class Conflict(ValidationError):
    """409: the request is well-formed, and at odds with what is there. Names the field like any other."""

    status_code = 409
    default_code = "conflict"


class PreconditionFailed(APIException):
    """412 (RFC 9110, section 15.5.13): the thing is not in the state that the request was made for."""

    status_code = 412
    default_code = "stale"


class PlanExceeded(APIException):
    """The tenant's plan allows no more: 402 for what is bought, 429 for what is a matter of seconds, 413 for size.

    The problem names the ``limit``, what is ``allowed`` and ``used``, and when it is reset (``resets_at``, or null).
    """

    KINDS: ClassVar[dict[str, tuple[int, str]]] = {
        "publish_rate": (429, "rate_limited"),
        "max_event_bytes": (413, "too_large"),
    }

    def __init__(self, exceeded: LimitExceeded) -> None:
        super().__init__(exceeded.message)
        self.status_code, self.default_code = self.KINDS.get(exceeded.limit, (402, "plan_exceeded"))
        self.wait = exceeded.retry_after
        self.members = {
            "limit": exceeded.limit,
            "allowed": exceeded.allowed,
            "used": exceeded.used,
            "resets_at": exceeded.resets_at and exceeded.resets_at.isoformat().replace("+00:00", "Z"),
        }


def tenant_id_of(request: Request) -> UUID | None:
    """The tenant this request is about; None: an operator's request about all of them.

    Raises NotFound if another tenant than the key's, or nobody, is named.
    """
    tenant = _named(request) or principal(request).tenant
    return tenant.pk if tenant else None


def tenant_of(request: Request) -> Tenant:
    """The one tenant this request is about; raises ValidationError naming `tenant` if an operator named none.

    The row may be a second old: what changes with every write (`routes_version`) is not to be read from it.
    """
    tenant = _named(request) or principal(request).tenant
    if tenant is None:
        raise ValidationError({"tenant": [f"Name a tenant in the header {HEADER} or as ?tenant=."]}, code="required")
    return tenant


def find(rows: QuerySet[M], ref: str) -> M | None:
    """The one of these rows with this id (`ep_...`) or, where the table has one, this uid.

    Raises ValidationError naming `tenant` if the uid is one of several tenants' (an operator asks for all).
    """
    with suppress(ValueError):
        return rows.filter(pk=parse(rows.model.prefix, ref)).first()
    if not hasattr(rows.model, "uid") or not is_uid(ref):
        return None
    found = rows.filter(uid=ref)[:2]
    if len(found) > 1:
        raise ValidationError({"tenant": ["Several tenants use this uid: name the tenant."]})
    return found[0] if found else None


def _named(request: Request) -> Tenant | None:
    """The tenant that is named beside the key, if one is."""
    names = {name for name in (request.headers.get(HEADER), request.query_params.get("tenant")) if name is not None}
    if len(names) > 1:
        raise ValidationError({"tenant": [f"The header {HEADER} and the query name different tenants."]})
    if not names:
        return None
    rows = Tenant.objects.select_related("plan").filter(deleted_at=None)
    own = principal(request).tenant_id
    if own is not None:
        rows = rows.filter(pk=own)
    found = find(rows, names.pop())
    if found is None:
        raise NotFound
    return found


class TenantScoped(GenericAPIView[Any]):
    """For views over rows that belong to a tenant: they see the request's tenant's rows and no others.

    ``{ref}`` in the URL is an id or a uid. Refusals of the verbs are answered as problems.
    """

    tenant_path = "tenant_id"

    def get_queryset(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return self.within_tenant(rows, self.tenant_path)

    def within_tenant(self, rows: Rows, path: str) -> Rows:
        """Those of the rows that belong to the request's tenant: `path` leads from the row to the tenant."""
        tenant_id = tenant_id_of(self.request)
        return rows if tenant_id is None else rows.filter(**{path: tenant_id})

    def get_object(self) -> Any:
        found = find(self.get_queryset(), self.kwargs["ref"])
        if found is None:
            raise NotFound
        self.check_object_permissions(self.request, found)
        return found

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(problem_of(exc) if isinstance(exc, Invalid) else exc)


def problem_of(refusal: Invalid) -> APIException:
    """The refusal of a verb as REST says it."""
    if isinstance(refusal, LimitExceeded):
        return PlanExceeded(refusal)
    if isinstance(refusal, Stale):
        return PreconditionFailed(refusal.message)
    kind = Conflict if isinstance(refusal, (AlreadyExists, StateConflict)) else ValidationError
    if refusal.place:  # an error code that begins with a slash is a place within the field (config.api.errors)
        return kind({refusal.field: [ErrorDetail(refusal.message, refusal.place)]})
    return kind({refusal.field: [refusal.message]})
