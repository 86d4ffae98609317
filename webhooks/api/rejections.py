"""Serve rejections: list and read."""

from webhooks.api.filters import SourceFilters
from webhooks.api.serializers.rejections import RejectionSerializer
from webhooks.api.tenancy import TenantScoped
from webhooks.kit.rest.query_params import TextFilter
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.models import Rejection


class RejectionFilters(SourceFilters):
    """Filter rejections."""

    reason = TextFilter(help_text="Code of the failed check, such as `no_match`.")


class Rejections(TenantScoped[Rejection], ReadOnlyResource[Rejection]):
    """Refused requests, newest first: a sample (see ``suppressed_count``)."""

    operations = {
        "list": (
            "List rejections",
            "Returns a sample of the requests that were rejected, newest first, with the reason and the "
            "headers without credentials. `suppressed_count` says how many more were not stored.",
        ),
        "retrieve": ("Get a rejection", "Returns one rejection."),
    }

    queryset = Rejection.objects.all()
    serializer_class = RejectionSerializer
    query_params = RejectionFilters
