"""Read the link that a signed token stands for, by the rules of a link that is created by the API."""

from typing import Any

from rest_framework.exceptions import APIException, ValidationError

from subscriptions.api.conventions.errors import problem_content
from subscriptions.api.portal.serializers import SignedLinkSerializer
from subscriptions.api.problems import problem_of
from subscriptions.errors import Invalid
from subscriptions.models import PortalLink, Tenant
from subscriptions.portal_access import links
from subscriptions.portal_access.signed_links import verify
from webhooks.kit.rest.lookup import find

REGISTERED = frozenset({"aud", "exp", "iat", "iss", "jti", "nbf", "sub", "tenant"})  # claims that are no field


class InvalidLink(Exception):
    """Signal a claim that is wrong in a token with a valid signature; the text names the claim."""


def read_signed_link(token: str) -> PortalLink | None:
    """Return the link that a token stands for, not stored, if it can be opened. Raises InvalidLink."""
    try:
        verified = verify(token)
        return _read(token, *verified) if verified else None
    except Invalid as error:
        raise InvalidLink(_text(problem_of(error))) from None
    except ValidationError as error:
        raise InvalidLink(_text(error)) from None


def _read(token: str, claims: dict[str, Any], signed_by: str) -> PortalLink | None:
    tenant = _tenant(claims.get("tenant"))
    body = {name: value for name, value in claims.items() if name not in REGISTERED}
    fields = _fields({**body, "user": claims["sub"]}, tenant)
    link = links.unsaved_link(tenant, token, claims["exp"], created_by=signed_by, **fields)
    return None if links.is_known(link) else link


def _fields(body: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    serializer = SignedLinkSerializer(data=body, context={"tenant": tenant})
    if not serializer.is_valid():
        raise ValidationError({"sub" if name == "user" else name: it for name, it in serializer.errors.items()})
    found: dict[str, Any] = serializer.validated_data
    return found


def _tenant(name: Any) -> Tenant:
    if not isinstance(name, str):
        raise ValidationError({"tenant": ["Must be the id or uid of a tenant."]})
    found = find(Tenant.objects.select_related("plan").filter(deleted_at=None), name)
    if found is None:
        raise ValidationError({"tenant": ["No tenant with this id."]})
    return found


def _text(error: APIException) -> str:
    return str(problem_content(error, in_body=True)[0]["detail"])
