"""``manage.py replay TENANT``: send again what was given up, or what is past. Counts, asks, shows how far it is."""

import time
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from delivery.models import DeadLetter, Replay
from delivery.replaying import replays
from subscriptions.models import Tenant
from webhooks.wire.ids import parse

LOOK = 0.5  # seconds between two looks at how far it is


class Command(BaseCommand):
    help = "Send dead letters, or events of the past, again: counts first, asks, and shows the progress."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", metavar="TENANT", help="the tenant's id or uid")
        parser.add_argument(
            "--of", choices=Replay.Of.values, default=Replay.Of.DEAD_LETTERS, help="default: %(default)s"
        )
        parser.add_argument("--endpoint", metavar="ID", help="only to this one: its id or uid")
        parser.add_argument("--force", action="store_true", default=None, help="of events: whatever it subscribes to")
        parser.add_argument("--cause", choices=DeadLetter.Cause.values, help="of dead letters")
        parser.add_argument("--type", help="of the event")
        parser.add_argument("--source", help="of the event (of events)")
        parser.add_argument("--subject", help="of the event (of events)")
        parser.add_argument("--since", metavar="TIME", help="as in 2030-01-31T12:00:00Z; without an offset, UTC")
        parser.add_argument("--until", metavar="TIME", help="not included")
        parser.add_argument("--ids", nargs="+", metavar="ID", help="of dead letters (dl_...) or events (evt_...)")
        parser.add_argument("--rate", type=int, default=replays.DEFAULT_RATE, help="a second; default: %(default)s")
        parser.add_argument("--count", action="store_true", help="count, and do nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = _tenant(options["tenant"])
            wanted = replays.Filter.parse(_asked(options), options["of"], tenant)
            counted = replays.preview(tenant, wanted)
            self.stdout.write(f"{'About ' if counted.estimated else ''}{counted.total} deliveries of {tenant.name}.")
            if options["count"] or not counted.total or not (options["yes"] or self._agreed()):
                return
            row = replays.replay(tenant, wanted, rate=options["rate"], by="manage.py replay")
        except ValueError as error:
            raise CommandError(": ".join(map(str, error.args))) from None
        self._follow(row)

    def _agreed(self) -> bool:
        self.stdout.write("Send them again? [y/N] ", ending="")
        self.stdout.flush()
        try:
            return input().strip().lower() in ("y", "yes")
        except EOFError:
            return False

    def _follow(self, row: Replay) -> None:
        """Carry it on and show how far it is. Interrupted, it goes on without us, if a worker runs."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        try:
            with Progress(*columns, console=Console(file=cast(IO[str], self.stdout))) as progress:
                bar = progress.add_task(row.public_id, total=row.total)
                while row.state == Replay.State.RUNNING:
                    replays.run_slices()
                    row.refresh_from_db()
                    progress.update(bar, completed=row.replayed)
                    if row.state == Replay.State.RUNNING:
                        time.sleep(LOOK)
        except KeyboardInterrupt:
            self.stdout.write(f"\n{row.public_id} goes on where a worker runs; cancel it in the admin or over REST.")
            return
        self.stdout.write(f"{row.public_id} {row.state}: {row.replayed} deliveries are on their way.")


def _tenant(ref: str) -> Tenant:
    """Raises ValueError if there is none."""
    rows = Tenant.objects.filter(deleted_at=None)
    found = rows.filter(id=parse("tnt", ref)) if ref.startswith("tnt_") else rows.filter(uid=ref)
    tenant = found.first()
    if tenant is None:
        raise ValueError(
            "tenant", "there is none with this id or uid (manage.py tenant NAME --uid UID gives one a uid)"
        )
    return tenant


def _asked(options: dict[str, Any]) -> dict[str, Any]:
    """The filter in its JSON form."""
    names = ("endpoint", "force", "cause", "type", "source", "subject", "ids")
    asked = {name: options[name] for name in names if options[name] is not None}
    for name in ("since", "until"):
        if options[name] is not None:
            asked[name] = _with_offset(options[name])
    return asked


def _with_offset(text: str) -> str:
    """An instant without an offset is meant in UTC; what is none is left for the filter to refuse."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return text
    return text if moment is None or moment.tzinfo else moment.isoformat() + "Z"
