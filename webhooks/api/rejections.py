"""Serve rejections: list and read."""

from webhooks.api.filters import OfSourceFilters
from webhooks.api.serializers.rejections import RejectionSerializer
from webhooks.api.tenancy import TenantScoped
from webhooks.kit.rest.list_filters import contains
from webhooks.kit.rest.query_params import ChoiceFilter, TextFilter
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.models import Rejection
from webhooks.receiving.verification import REASONS


class RejectionFilters(OfSourceFilters):
    """Filter rejections."""

    reason = ChoiceFilter(REASONS, help_text="Code of the failed check, such as `no_match`.")
    remote_address = TextFilter(unindexed=True, help_text="Address that the request came from, exact.")
    q = TextFilter(
        where=contains("detail", "remote_address"),
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the detail or the address, ignoring case.",
    )


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
    payload_fields = ("headers",)
    hidden_fields = ("sha256",)  # a guess of the body could be tested on it
    serializer_class = RejectionSerializer
    query_params = RejectionFilters
