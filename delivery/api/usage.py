"""Serve the usage report, for billing: JSON in pages, or CSV."""

import csv
import io
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters.fields import TYPE_HELP, EventTypeArgument
from delivery.lifecycle import usage
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Tenant
from webhooks.kit.rest.fields.scalars import ChoiceField
from webhooks.kit.rest.pages import CursorPages
from webhooks.kit.rest.query_params import IntegerParam, QueryParams
from webhooks.wire.ids import public

MOST_IN_CSV = 100_000
COLUMNS = ("date", "tenant", "type", "events", "deliveries")


class CsvRows(BaseRenderer):
    """Render a report as CSV (RFC 4180); text that a spreadsheet would take for a formula gets an apostrophe."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(self, data: Any, media_type: str | None = None, context: Mapping[str, Any] | None = None) -> bytes:
        if "data" not in data:  # a problem
            return orjson.dumps(data)
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(COLUMNS)
        rows.writerows([_harmless(row.get(name)) for name in COLUMNS] for row in data["data"])
        return text.getvalue().encode()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell


class WordsField(serializers.CharField):
    """Some of these words, separated by commas."""

    default_error_messages = {"invalid_choice": "Must be some of these, separated by commas: {names}."}

    def __init__(self, *names: str, **options: Any) -> None:
        super().__init__(**options)
        self.names = names

    def get_default(self) -> Any:
        default = super().get_default()
        return default if default is None else default.split(",")

    def to_internal_value(self, data: Any) -> Any:
        words = super().to_internal_value(data).split(",")
        if not set(words) <= set(self.names):
            self.fail("invalid_choice", names=", ".join(self.names))
        return words


class UsageParams(QueryParams):
    """From ``from`` to ``to``; by default from the first day of this month until today."""

    type = EventTypeArgument(required=False, help_text=f"{TYPE_HELP} Default: all types.")
    granularity = ChoiceField(
        [("day", "One row for each day"), ("month", "One row for each month")],
        default="day",
        help_text="Period of a row.",
    )
    by = WordsField(
        "tenant",
        "type",
        default="tenant,type",
        help_text="What rows are divided by besides the date: `tenant`, `type`, or (the default) `tenant,type`.",
    )
    format = ChoiceField(
        [(JSONRenderer.format, "A page as JSON"), (CsvRows.format, "All rows as CSV")],
        required=False,
        help_text="Format of the response; by default as `Accept` says.",
    )
    limit = IntegerParam(min_value=1, max_value=250, default=50, help_text="Rows on a JSON page.")
    cursor = serializers.CharField(
        default="", allow_blank=True, help_text="Position after which the page starts; from `next`."
    )

    def get_fields(self) -> dict[str, Any]:
        """Add `from`, which cannot be the name of a Python attribute."""
        window = {
            "from": serializers.DateField(
                required=False, help_text="First day (UTC). Default: the first day of the month of `to`."
            ),
            "to": serializers.DateField(required=False, help_text="Last day (UTC), included. Default: today."),
        }
        return {**window, **super().get_fields()}

    def validate(self, attrs: Any) -> Any:
        if "from" in attrs and "to" in attrs and attrs["from"] > attrs["to"]:
            raise serializers.ValidationError({"to": ["Must not be before `from`."]})
        return attrs


class UsageRowSerializer(serializers.Serializer[Any]):
    """The usage of one day or month, by tenant and event type if the report is divided by them."""

    date = serializers.DateField(help_text="The day, or the first day of the month (UTC).")
    tenant = serializers.CharField(
        required=False, help_text="Id of the tenant; absent if rows are not divided by tenant."
    )
    type = serializers.CharField(required=False, help_text="Event type; absent if rows are not divided by type.")
    events = serializers.IntegerField(help_text="Events accepted, without duplicates.")
    deliveries = serializers.IntegerField(help_text="Deliveries created for them.")


class UsagePageSerializer(serializers.Serializer[Any]):
    """A page of the usage report, oldest first. Periods without usage have no row."""

    data = UsageRowSerializer(  # type: ignore[assignment]  # as everywhere in the API
        many=True, help_text="Rows of this page."
    )
    next = serializers.CharField(allow_null=True, help_text="URL of the next page; null: this is the last.")
    previous = serializers.CharField(allow_null=True, help_text="Always null.")


class UsageReport(TenantScoped[Tenant]):
    """Accepted events and their deliveries: exact, also for deleted events."""

    expensive = ("GET",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "get": (
            "Get usage",
            "Returns events and deliveries by tenant, day or month, and type, as JSON or (with `format=csv`) "
            "as CSV. Exact, and unaffected by retention.",
        ),
    }

    renderer_classes = (JSONRenderer, CsvRows)
    queryset = Tenant.objects.all()
    serializer_class = UsagePageSerializer
    query_params = UsageParams

    def get_format_suffix(self, **kwargs: Any) -> str | None:
        """Return the format of the response that the query names, for the content negotiation."""
        named = self.request.query_params.get("format")
        return named if named in {it.format for it in self.renderer_classes} else None

    @extend_schema(responses={200: UsagePageSerializer, (200, "text/csv"): str})
    def get(self, request: Request) -> Response:
        fields = self.params()
        wanted = _wanted(fields, self.tenant_id())
        is_csv = getattr(request.accepted_renderer, "format", "") == CsvRows.format
        most = MOST_IN_CSV if is_csv else fields["limit"]
        rows = usage.report(wanted, most + 1, _key(fields["cursor"]))
        more = rows[most - 1].key if len(rows) > most else None
        following = more and self.address(request, more)
        body = {"data": [_shown(row, wanted) for row in rows[:most]], "next": following, "previous": None}
        return Response(body, headers={"Link": f'<{following}>; rel="next"'} if following and is_csv else None)

    def address(self, request: Request, after: usage.UsageKey) -> str:
        """Return the URL of the page after this row."""
        position = [after.day.isoformat(), after.tenant_id and str(after.tenant_id), after.type]
        cursor = urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")
        asked = {name: value for name, value in request.query_params.items() if name != "cursor"}
        return request.build_absolute_uri(f"{request.path}?{urlencode({**asked, 'cursor': cursor})}")


def _wanted(fields: dict[str, Any], tenant_id: UUID | None) -> usage.UsageFilter:
    today = datetime.now(UTC).date()
    last = fields.get("to", max(today, fields.get("from", today)))
    return usage.UsageFilter(
        tenant_id=tenant_id,
        first=fields.get("from", last.replace(day=1)),
        last=last,
        event_type=fields.get("type"),
        granularity=fields["granularity"],
        by=frozenset(fields["by"]),
    )


def _shown(row: usage.UsageRow, wanted: usage.UsageFilter) -> dict[str, Any]:
    names: dict[str, Any] = {"date": row.day.isoformat()}
    if "tenant" in wanted.by:
        names["tenant"] = row.tenant_id and public(Tenant.prefix, row.tenant_id)
    if "type" in wanted.by:
        names["type"] = row.type
    return {**names, "events": row.events, "deliveries": row.deliveries}


def _key(cursor: str) -> usage.UsageKey | None:
    """Return the position in a cursor. Raises ValidationError for an invalid one."""
    if not cursor:
        return None
    try:
        day, tenant, kind = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if kind is not None and (not isinstance(kind, str) or "\0" in kind):
            raise ValueError(kind)
        return usage.UsageKey(date.fromisoformat(day), tenant and UUID(tenant), kind)
    except (ValueError, TypeError, AttributeError):
        raise ValidationError({"cursor": [CursorPages.CURSOR]}) from None
