"""Read what was changed in portal sessions."""

from subscriptions.models import PortalActivity, PortalLink
from webhooks.wire.ids import parse


def activities_of(link: PortalLink, before: str, limit: int) -> list[PortalActivity]:
    """Return activities that a session may see, newest first: those of its tenant, or of its endpoint.

    ``before``: id of the activity to go on after; any other text begins with the newest. Read by the indexes
    ``portal_activity_order`` and ``portal_activity_of_endpoint``.
    """
    rows = PortalActivity.objects.filter(tenant=link.tenant_id).select_related("link")
    if link.endpoint_id is not None:
        rows = rows.filter(endpoint=link.endpoint_id)
    try:
        rows = rows.filter(pk__lt=parse(PortalActivity.prefix, before))
    except ValueError:
        pass
    return list(rows.order_by("-pk")[:limit])
