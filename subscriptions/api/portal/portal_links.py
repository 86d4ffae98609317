"""Serve portal links: create, list, read and revoke."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.api.portal.serializers import (
    PortalLinkCreateSerializer,
    PortalLinkSerializer,
    PortalLinkWithUrlSerializer,
)
from subscriptions.api.tenancy import OwnedResource
from subscriptions.models import Capability, PortalLink, Scope
from subscriptions.portal_access import links

NEEDED = {
    Capability.VIEW: Scope.READ,
    Capability.PAYLOADS: Scope.READ,
    Capability.MANAGE: Scope.MANAGE,
    Capability.REPLAY: Scope.MANAGE,
    Capability.SECRETS: Scope.MANAGE,
}
"""The scope that a key must have to hand out a capability."""


@extend_schema_view(
    create=extend_schema(request=PortalLinkCreateSerializer, responses={201: PortalLinkWithUrlSerializer})
)
class PortalLinks(OwnedResource[PortalLink]):
    """One-time links to the pages of a tenant. A key hands out only what it may do itself."""

    operations = {
        "list": (
            "List portal links",
            "Returns portal links, newest first, without their URLs: who created each, when and from where it was "
            "opened, and when its session ends.",
        ),
        "create": (
            "Create a portal link",
            "Creates a one-time link (`url`) to the portal of the tenant: pages on which your customer manages "
            "endpoints, finds messages and sends them again. Send the user's browser there at once, or give it to the "
            "element `<waypost-portal>` to show the pages inside yours. The first browser that opens it gets a session "
            "for this tenant and nothing else. The key needs the scope of each capability: `read` for `view` and "
            "`payloads`, `manage` for the others.",
        ),
        "retrieve": ("Get a portal link", "Returns one portal link without its URL."),
        "destroy": ("Revoke a portal link", "Revokes a link, and ends the session that it opened, at once."),
    }

    queryset = PortalLink.objects.select_related("endpoint").filter(tenant__deleted_at=None)
    serializer_class = PortalLinkSerializer
    create_serializer_class = PortalLinkCreateSerializer
    http_method_names = ("get", "post", "delete", "head", "options")

    def create_row(self, fields: dict[str, Any]) -> Response:
        check_capabilities(self.request, fields["capabilities"])
        link, url = links.create_link(self.tenant, created_by=principal(self.request).label, **fields)
        return self.created(link, url=url)

    def delete_row(self, row: PortalLink) -> None:
        links.revoke_link(row)


def check_capabilities(request: Request, capabilities: list[str]) -> None:
    """Raise PermissionDenied unless the key of the request has the scope of each capability."""
    if not principal(request).scopes.issuperset(NEEDED[Capability(name)] for name in capabilities):
        raise PermissionDenied("A key can hand out only what it may do itself; name fewer capabilities.")
