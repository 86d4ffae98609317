"""Serve the daily and monthly figures of a tenant, of an endpoint, and of the platform."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.figures.periods import Counts, read_periods, total_of
from delivery.models import PLATFORM, Figures
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.fields.scalars import ChoiceField
from webhooks.kit.rest.query_params import QueryParams

MAX_ROWS = {"day": 366, "month": 120}
DEFAULT_DAYS = 30
TOO_LONG = "Must be at most {days} days after `from` by day, and 10 years by month."
FIRST_YEAR, LAST_YEAR = 2000, 2999
OTHER_YEAR = f"Must be a date of a year from {FIRST_YEAR} to {LAST_YEAR}."
DAY = timedelta(days=1)


class HistoryParams(QueryParams):
    """From ``from`` to ``to``; by default the last 30 days."""

    granularity = ChoiceField(
        [("day", "One row for each day"), ("month", "One row for each month")],
        default="day",
        help_text="Period of a row.",
    )

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which cannot be the name of a Python attribute."""
        window = {
            "from": serializers.DateField(
                required=False,
                help_text="First day (UTC); by month, the whole month counts. Default: 29 days before `to`.",
            ),
            "to": serializers.DateField(required=False, help_text="Last day (UTC), included. Default: today."),
        }
        return {**window, **super().get_fields()}

    def validate(self, attrs: Any) -> Any:
        last = attrs.setdefault("to", datetime.now(UTC).date())
        if not FIRST_YEAR <= last.year <= LAST_YEAR:
            raise serializers.ValidationError({"to": [OTHER_YEAR]})
        first = attrs.setdefault("from", last - timedelta(days=DEFAULT_DAYS - 1))
        if not FIRST_YEAR - 1 <= first.year <= LAST_YEAR:
            raise serializers.ValidationError({"from": [OTHER_YEAR]})
        if first > last:
            raise serializers.ValidationError({"to": ["Must not be before `from`."]})
        if len(edges_of(first, last, attrs["granularity"])) - 1 > MAX_ROWS[attrs["granularity"]]:
            raise serializers.ValidationError({"to": [TOO_LONG.format(days=MAX_ROWS["day"] - 1)]})
        return attrs


class HistoryLatencySerializer(serializers.Serializer[Any]):
    """Percentiles of the duration of attempts in milliseconds; null without attempts."""

    p50 = serializers.IntegerField(allow_null=True, help_text="Half of the attempts took at most this long.")
    p95 = serializers.IntegerField(allow_null=True, help_text="95 % of the attempts took at most this long.")


class HistoryRowSerializer(serializers.Serializer[Counts]):
    """The figures of one day or month (UTC), or of all of them together. Test deliveries are not counted."""

    begins_at = serializers.DateTimeField(help_text="Start of the period.")
    events = serializers.IntegerField(help_text="Events accepted, without duplicates; 0 for one endpoint.")
    deliveries = serializers.IntegerField(help_text="Deliveries created for them; 0 for one endpoint.")
    attempts = serializers.IntegerField(help_text="Attempts that ended.")
    delivered = serializers.IntegerField(help_text="Attempts that delivered.")
    failed = serializers.IntegerField(help_text="Attempts that failed.")
    rejected = serializers.IntegerField(help_text="Failed attempts that the endpoint rejected.")
    dead_letters = serializers.IntegerField(
        help_text="Deliveries that failed permanently; of days that are over by an hour or more."
    )
    failures = serializers.DictField(
        child=serializers.IntegerField(), help_text="Failed attempts by HTTP status, or by class of failure."
    )
    latency_ms = serializers.SerializerMethodField(help_text="Duration of attempts in milliseconds.")
    pending = serializers.IntegerField(
        allow_null=True, help_text="Pending deliveries at the end of the period; null: not measured."
    )
    open_dead_letters = serializers.IntegerField(
        allow_null=True, help_text="Open dead letters at the end of the period; null: not measured."
    )

    @extend_schema_field(HistoryLatencySerializer)
    def get_latency_ms(self, row: Counts) -> dict[str, int | None]:
        return {"p50": row.latency(0.5), "p95": row.latency(0.95)}


class HistorySerializer(serializers.Serializer[Any]):
    """The figures of each period, oldest first, also of those without any."""

    total = HistoryRowSerializer(help_text="Figures of all periods together.")
    data = HistoryRowSerializer(  # type: ignore[assignment]  # as everywhere in the API
        many=True, help_text="Figures of each period, oldest first."
    )


class EndpointHistory(TenantScoped[Endpoint]):
    """Daily figures of one endpoint."""

    operations = {
        "get": (
            "Get an endpoint's history",
            "Returns the attempts of each day or month (UTC), their success, failures and durations. Kept for ten "
            "years, whatever the retention of events.",
        ),
    }

    queryset = Endpoint.objects.all()
    endpoint_path = "pk"
    serializer_class = HistorySerializer
    query_params = HistoryParams

    @extend_schema(operation_id="get_endpoint_history", responses={200: HistorySerializer})
    def get(self, request: Request, ref: str) -> Response:
        """Return the figures; those of today are some seconds old."""
        return _history(self.get_object().pk, self.params())


class History(TenantScoped[Tenant]):
    """Daily figures of a tenant, or of the platform."""

    operations = {
        "get": (
            "Get the history",
            "Returns events, deliveries and attempts of each day or month (UTC) of a tenant; with a platform key that "
            "names no tenant, of all tenants. Kept for ten years, whatever the retention of events. Usage by event "
            "type: `GET /usage/`.",
        ),
    }

    queryset = Tenant.objects.all()
    serializer_class = HistorySerializer
    query_params = HistoryParams

    @extend_schema(operation_id="get_history", responses={200: HistorySerializer})
    def get(self, request: Request) -> Response:
        """Return the figures; those of today are some seconds old."""
        return _history(self.tenant_id() or PLATFORM, self.params())


def edges_of(first: date, last: date, granularity: str) -> list[datetime]:
    """Return the begin of each day or month from ``first`` to ``last``, and the end of the last one, in UTC."""
    if granularity == "day":
        days = [first + DAY * number for number in range((last - first).days + 2)]
    else:
        begin, end = first.year * 12 + first.month - 1, last.year * 12 + last.month
        days = [date(month // 12, month % 12 + 1, 1) for month in range(begin, end + 1)]
    return [datetime.combine(day, time(), UTC) for day in days]


def _history(scope_id: UUID, fields: dict[str, Any]) -> Response:
    edges = edges_of(fields["from"], fields["to"], fields["granularity"])
    periods = read_periods(scope_id, edges, Figures.Length.DAY.value)
    return Response(HistorySerializer({"total": total_of(periods, edges[0]), "data": periods}).data)
