"""``manage.py rollback``: take the migrations of this version back (see ``config.upgrade.rollback``)."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from config.management.findings import FindingsCommand
from config.upgrade import rollback
from config.upgrade.apply import CannotApply
from config.upgrade.run import PATIENCE


class Command(FindingsCommand):
    """Take migrations back."""

    help = "Takes the migrations of this version back, to those of the version before. Run it with this version."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--plan", action="store_true", help="show what would be done, and change nothing")
        parser.add_argument("--discard", action="store_true", help="delete what is in the tables and columns it added")
        parser.add_argument(
            "--wait", type=float, default=PATIENCE, metavar="SECONDS", help="for locks; default: %(default).0f"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        plan = rollback.rollback_plan()
        if plan is None:
            raise CommandError("the database has no record of a version before this one: restore a backup instead")
        self.stdout.write(f"from version {plan.installed} back to {plan.target}: {len(plan.steps)} migrations")
        for step in plan.steps:
            self.stdout.write(f"  {step.label}")
        if self.show(rollback.findings(plan, discard=options["discard"])):
            raise CommandError("nothing was changed")
        if options["plan"]:
            return
        try:
            rollback.roll_back(plan, options["wait"], self.report)
        except CannotApply as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            self.style.SUCCESS(f"the tables are those of version {plan.target}; install it, and start the programs")
        )
