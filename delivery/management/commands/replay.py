"""``manage.py replay TENANT``: replay dead letters or past events; count, ask, show the progress."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from delivery.models import DeadLetter, Replay
from delivery.replaying import replays
from subscriptions.models import Tenant
from webhooks.kit.audit.commands import AuditedCommand
from webhooks.kit.rest.labels import parse_labels
from webhooks.wire.ids import parse

REFRESH_EVERY = 0.5  # seconds between two lines of progress


class Command(AuditedCommand):
    """Replay from the command line."""

    help = "Replay dead letters or past events: counts first, asks, and shows the progress."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", metavar="TENANT", help="the tenant's id or uid")
        parser.add_argument(
            "--scope", choices=Replay.Scope.values, default=Replay.Scope.DEAD_LETTERS, help="default: %(default)s"
        )
        parser.add_argument("--endpoint", metavar="ID", help="only to this endpoint: its id or uid")
        parser.add_argument(
            "--force", action="store_true", default=None, help="past events: ignore the subscriptions of the endpoint"
        )
        parser.add_argument("--labels", metavar="NAME:VALUE,...", help="labels that the endpoints have, all of them")
        parser.add_argument("--all", action="store_true", help="replay everything; required without a filter")
        parser.add_argument("--cause", choices=DeadLetter.Cause.values, help="cause of the dead letters")
        parser.add_argument("--type", help="type of the events")
        parser.add_argument("--source", help="source of past events")
        parser.add_argument("--subject", help="subject of past events")
        parser.add_argument("--since", metavar="TIME", help="like 2030-01-31T12:00:00Z; UTC without an offset")
        parser.add_argument("--until", metavar="TIME", help="like --since; not included")
        parser.add_argument(
            "--attempted-since",
            metavar="TIME",
            help="dead letters of which an attempt failed since then: the outage began",
        )
        parser.add_argument("--attempted-until", metavar="TIME", help="and before then: it ended")
        parser.add_argument("--ids", nargs="+", metavar="ID", help="ids of dead letters (dl_...) or events (evt_...)")
        parser.add_argument(
            "--rate", type=int, default=replays.DEFAULT_RATE, help="deliveries per second; default: %(default)s"
        )
        parser.add_argument("--count", action="store_true", help="count without replaying")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = _tenant(options["tenant"])
            selected = replays.ReplayFilter.parse(_filter_options(options), options["scope"], tenant)
            if selected.is_empty and not (options["all"] or options["count"]):
                raise ValueError("filter", "give a condition, or --all to replay everything")
            counted = replays.preview(tenant, selected)
            precision = "At least " if counted.is_lower_bound else "About " if counted.estimated else ""
            self.stdout.write(f"{precision}{counted.total} deliveries of {tenant.name}.")
            if options["count"] or not counted.total or not (options["yes"] or self._is_confirmed()):
                return
            row = replays.start(tenant, selected, rate=options["rate"], by="manage.py replay")
        except ValueError as error:
            raise CommandError(": ".join(map(str, error.args))) from None
        self._follow(row)

    def _is_confirmed(self) -> bool:
        self.stdout.write("Replay them? [y/N] ", ending="")
        self.stdout.flush()
        try:
            return input().strip().lower() in ("y", "yes")
        except EOFError:
            return False

    def _follow(self, row: Replay) -> None:
        """Run the replay's slices and show the progress; after an interrupt a worker continues it."""
        end = "\r" if self.stdout.isatty() else "\n"
        try:
            while row.state == Replay.State.RUNNING:
                replays.run_slices()
                row.refresh_from_db()
                self.stdout.write(f"{row.public_id} {row.replayed:>9,} of {row.total:,}", ending=end)
                if row.state == Replay.State.RUNNING:
                    time.sleep(REFRESH_EVERY)
        except KeyboardInterrupt:
            self.stdout.write(f"\n{row.public_id} is continued by a worker; cancel it in the admin or with the API.")
            return
        self.stdout.write(f"{row.public_id} {row.state}: {row.replayed} deliveries re-queued.")


def _tenant(ref: str) -> Tenant:
    """Return the tenant with this id or uid. Raises ValueError if there is none."""
    rows = Tenant.objects.filter(deleted_at=None)
    found = rows.filter(id=parse("tnt", ref)) if ref.startswith("tnt_") else rows.filter(uid=ref)
    tenant = found.first()
    if tenant is None:
        raise ValueError("tenant", "no tenant with this id or uid (manage.py tenant NAME --uid UID sets a uid)")
    return tenant


def _filter_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the filter in its JSON form."""
    names = ("endpoint", "force", "cause", "type", "source", "subject", "ids")
    given = {name: options[name] for name in names if options[name] is not None}
    if options["labels"] is not None:
        try:
            given["labels"] = parse_labels(options["labels"])
        except ValueError as error:
            raise ValueError("labels", str(error)) from None
    for name in ("since", "until", "attempted_since", "attempted_until"):
        if options[name] is not None:
            given[name] = _with_offset(options[name])
    return given


def _with_offset(text: str) -> str:
    """Add UTC to a time without an offset; leave an invalid one for the filter to reject."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return text
    return text if moment is None or moment.tzinfo else moment.isoformat() + "Z"
