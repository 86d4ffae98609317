"""``manage.py archives list`` and ``verify``: show the archived hours, and compare objects with their digests."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from delivery.archiving import verify
from delivery.archiving.storage import ArchiveDown, is_on
from delivery.models import Archive
from subscriptions.models import Tenant
from webhooks.kit.rest.lookup import find


class Command(BaseCommand):
    """Look at the archive from the command line."""

    help = "List the archived hours, or verify that each object is what was written."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("list", "verify"), help="what to do")
        parser.add_argument("--tenant", metavar="TENANT", help="only of this tenant: its id or uid")
        parser.add_argument("--since", metavar="TIME", help="only hours since then, like 2030-01-31T12:00:00Z")
        parser.add_argument("--until", metavar="TIME", help="only hours before then")
        parser.add_argument(
            "--remove-orphans",
            action="store_true",
            help="with verify: delete objects that a process left which died before it had written their row",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_on():
            raise CommandError("No archive is set up: set WAYPOST_ARCHIVE_URL.")
        tenant = _tenant(options["tenant"]) if options["tenant"] else None
        since, until = (_time(f"--{name}", options[name]) for name in ("since", "until"))
        rows = verify.archives(tenant.id if tenant else None, since=since, until=until).select_related("tenant")
        if options["action"] == "list":
            for row in rows.iterator():
                self.stdout.write(_line(row))
            return
        faults = sum(self._is_faulty(row) for row in rows.iterator())
        self._list_orphans(tenant, remove=options["remove_orphans"])
        if faults:
            raise CommandError(f"{faults} of {rows.count()} objects are not what was written.")
        self.stdout.write(f"{rows.count()} objects are what was written.")

    def _is_faulty(self, row: Archive) -> bool:
        try:
            fault = verify.fault_of(row)
        except ArchiveDown as error:
            raise CommandError(str(error)) from None
        if fault:
            self.stderr.write(fault)
        return bool(fault)

    def _list_orphans(self, tenant: Tenant | None, *, remove: bool) -> None:
        for owner in [tenant] if tenant else Tenant.objects.all().iterator():
            try:
                for key in verify.orphans(owner.id):
                    self.stdout.write(f"{key} has no row{': deleted' if remove else ''}")
                    if remove:
                        verify.remove_orphan(key)
            except ArchiveDown as error:
                raise CommandError(str(error)) from None


def _line(row: Archive) -> str:
    counts = f"{row.events:>8,} events {row.deliveries:>8,} deliveries {row.bytes:>12,} bytes"
    return f"{row.begins_at.astimezone(UTC):%Y-%m-%dT%HZ} {row.tenant.public_id} {counts}  {row.sha256}  {row.key}"


def _tenant(ref: str) -> Tenant:
    found: Tenant | None = find(Tenant.objects.all(), ref)
    if found is None:
        raise CommandError("--tenant: no tenant with this id or uid.")
    return found


def _time(name: str, text: str | None) -> datetime | None:
    """Return a time, in UTC if it has no offset. Raises CommandError."""
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"{name} must be a time, like 2030-01-31T12:00:00Z.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
