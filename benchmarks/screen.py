"""What the terminal shows: where the run is while it runs, and one table at the end."""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.figures import Row

__all__ = ["Screen", "shown_latency", "shown_times"]


WIDTH = 150  # characters


class Screen:
    """Use as a context manager around the run."""

    def __init__(self, rows: int) -> None:
        self.console = Console()
        if not self.console.is_terminal:
            self.console = Console(width=WIDTH)  # a file has no width of its own
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<42}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self._all = self._bars.add_task("starting the platform", total=rows)
        self._part = self._bars.add_task("", total=1, visible=False)

    def __enter__(self) -> "Screen":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, title: str) -> None:
        self._bars.update(self._all, description=title[:42])

    def progress(self, what: str, done: float, total: float) -> None:
        self._bars.update(self._part, description=f"  {what}", completed=int(done), total=int(total), visible=True)

    def end(self, row: Row | None) -> None:
        """One row is through; what failed is said at once."""
        self._bars.update(self._all, advance=1)
        self._bars.update(self._part, visible=False)
        if row is not None:
            self.say(f"{_verdict(row)} {row.took:5.0f} s  {row.title}{_rate_words(row)}{_latency_words(row)}")
            for check in row.checks:
                if not check.holds:
                    self.say(f"        [red]{check.what}: {check.found}[/red]")

    def say(self, line: str) -> None:
        self._bars.print(line)

    def table(self, rows: Sequence[Row]) -> None:
        table = Table(title="Waypost, measured on this machine", title_justify="left")
        table.add_column("row", no_wrap=True)
        for name in (
            "per second",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "CPU ms\n/1000",
            "peak\nMiB",
            "SQL\neach",
            "WAL B\neach",
        ):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("x usual\nrate/CPU", justify="right", no_wrap=True)
        table.add_column("aim", no_wrap=True)
        table.add_column("check", no_wrap=True)
        for row in rows:
            table.add_row(
                row.name,
                f"{row.rate:,.1f}",
                *shown_latency(row),
                f"{row.cpu_ms_per_1000:,.0f}",
                f"{row.memory_mib:,.0f}",
                f"{row.statements_each:.2f}",
                f"{row.wal_each:,.0f}",
                shown_times(row),
                "" if row.aim is None else "met" if row.aim.met else "missed",
                "ok" if row.holds else "[red]FAILED[/red]",
            )
        self.console.print(table)
        for row in rows:
            aim = [] if row.aim is None or row.aim.met else [f"aim missed: {row.aim.text}"]
            for line in (*aim, *row.notes):
                self.console.print(f"{row.name}: {line}")


def shown_latency(row: Row) -> list[str]:
    if row.latency is None:
        return ["", "", ""]
    return [f"{value:,.1f}" for value in (row.latency.p50, row.latency.p95, row.latency.p99)]


def _latency_words(row: Row) -> str:
    return "" if row.latency is None else f", p50 {row.latency.p50:,.1f} ms, p99 {row.latency.p99:,.1f} ms"


def _rate_words(row: Row) -> str:
    return f": {row.rate:,.1f} {row.unit}/s" if row.count else ""


def _verdict(row: Row) -> str:
    return "ok    " if row.holds else "[red]FAILED[/red]"


def shown_times(row: Row) -> str:
    """How many times the usual way's rate, and how many times less CPU."""
    return "" if row.times is None else f"{row.times[0]:,.0f} / {row.times[1]:,.0f}"
