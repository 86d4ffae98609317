"""Print the findings of checks: a level, a text, and what to do."""

from collections.abc import Iterable

from django.core.management.base import BaseCommand

from config.doctor.finding import Finding, Level

COLORS = {Level.OK: "SUCCESS", Level.WARNING: "WARNING", Level.ERROR: "ERROR"}


class FindingsCommand(BaseCommand):
    """A command that checks before it changes anything."""

    def show(self, findings: Iterable[Finding]) -> bool:
        """Print findings as they come; return whether any is an error."""
        is_wrong = False
        for finding in findings:
            is_wrong = is_wrong or finding.level is Level.ERROR
            color = getattr(self.style, COLORS[finding.level])
            self.stdout.write(f"{color(f'{finding.level:8}')} {finding.text}")
            if finding.advice:
                self.stdout.write(f"{'':8} -> {finding.advice}")
        return is_wrong

    def report(self, line: str) -> None:
        """Print a line about the progress at once."""
        self.stdout.write(line)
        self.stdout.flush()
