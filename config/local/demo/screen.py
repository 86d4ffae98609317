"""Show the demo: numbered steps, live bars, the table of counts."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from config.local.demo.counts import Count

Bars = Callable[[], Mapping[str, tuple[int, str]]]
"""Return for each endpoint how many events have arrived, and a note."""


class Screen:
    """Lines for the terminal. Addresses and commands are never wrapped, so that they can be copied."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._steps = 0

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line."""
        self._console.print(text, style=style, soft_wrap=True, markup=False)

    def step(self, text: str) -> None:
        """Print the numbered headline of a step."""
        self._steps += 1
        self.say(f"\n{self._steps}. {text}", style="bold")

    def watch(self, looks: Iterator[None], total: int, bars: Bars) -> None:
        """Show one bar for each endpoint, and bring them up to date at every look."""
        columns = (TextColumn("   {task.description:<6}"), BarColumn(bar_width=30), MofNCompleteColumn())
        with Progress(*columns, TextColumn("{task.fields[note]}"), console=self._console) as progress:
            tasks = {name: progress.add_task(name, total=total, note="") for name in bars()}
            for _ in looks:
                for name, (done, note) in bars().items():
                    progress.update(tasks[name], completed=done, note=note)

    def table(self, counts: Sequence[Count]) -> None:
        """Print the counts, each marked as right or wrong."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("", width=5, justify="right")
        table.add_column("what", no_wrap=True)
        table.add_column("found", justify="right", no_wrap=True)
        table.add_column("expected", justify="right", no_wrap=True)
        table.add_column("because", style="dim")
        for one in counts:
            mark, style = ("ok", "green") if one.found == one.expected else ("NO", "bold red")
            table.add_row(mark, one.name, f"{one.found:,}", f"{one.expected:,}", one.because, style=style)
        self._console.print(table)
