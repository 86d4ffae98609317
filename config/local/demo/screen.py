"""What the demo shows: steps, live bars, one table, and what to try next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

from config.local.demo.counts import Count
from config.local.demo.customer import Customer
from config.local.demo.launch import Platform

__all__ = ["Bars", "Screen"]


class Screen:
    """Lines for the terminal. Addresses and commands are never wrapped: they are there to be copied."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._steps = 0

    def say(self, text: str = "", style: str = "") -> None:
        self._console.print(text, style=style, soft_wrap=True, markup=False)

    def step(self, text: str) -> None:
        self._steps += 1
        self.say(f"\n{self._steps}. {text}", style="bold")

    def endpoints(self, customer: Customer) -> None:
        own, (stumbling, gone) = customer.own_url, customer.listeners
        self.say(f"   own        {own}   our own receiver: verifies, dedupes, keeps")
        self.say(f"   stumbling  {stumbling.url}   fails twice (503, 500), then accepts; plan 1 s, 1 s, 2 s")
        self.say(f"   gone       {gone.url}   answers 410 Gone until it is repaired")

    def bars(self, names: Iterable[str], total: int) -> "Bars":
        columns = (
            TextColumn("   {task.description:<9}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        progress = Progress(*columns, console=self._console)
        return Bars(progress, {name: progress.add_task(name, total=total, note="") for name in names})

    def table(self, counts: Sequence[Count]) -> None:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("", width=5, justify="right")
        table.add_column("what", no_wrap=True)
        table.add_column("found", justify="right")
        table.add_column("must be", justify="right")
        table.add_column("because", style="dim", no_wrap=True)
        for count in counts:
            mark, style = ("ok", "green") if count.is_right else ("NO", "bold red")
            table.add_row(mark, count.name, f"{count.found:,}", f"{count.must_be:,}", count.because, style=style)
        self._console.print(table)

    def invitation(self, platform: Platform, customer: Customer, key: str) -> None:
        """Where to look, and what to try, while it stays up."""
        api = f"{platform.address}/api/v1"
        auth = '-H "Authorization: Bearer $KEY"'
        plain = """-H 'Content-Type: application/json' -d '{"type": "order.paid", "data": {"number": 10430}}'"""
        self.say("\nIt stays up until Ctrl-C. Look around:", style="bold")
        self.say(f"   admin    {platform.address}/admin/   ({platform.login})")
        self.say(f"   API      {api}/docs/")
        self.say(f"   metrics  {platform.address}/metrics")
        self.say(f"   log      {platform.log}")
        self.say("\nOr try, in another terminal:", style="bold")
        self.say(f"   export API={api} KEY={key}")
        self.say("   # publish an event of your own: all three endpoints get it")
        self.say(f"   curl -s $API/events/ {auth} {plain}")
        self.say("   # what became of it, newest first")
        self.say(f'   curl -s "$API/deliveries/?limit=3" {auth}')
        self.say("   # what our own receiver kept")
        self.say(f'   curl -s "$API/receipts/?source={customer.source}&limit=1" {auth}')
        self.say("   # what was given up, and by which replay it came back")
        self.say(f'   curl -s "$API/dead-letters/?limit=1" {auth}\n')


@dataclass
class Bars:
    """One bar for each endpoint; used as a context."""

    progress: Progress
    tasks: dict[str, TaskID]

    def __enter__(self) -> "Bars":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def show(self, name: str, done: int, note: str = "") -> None:
        self.progress.update(self.tasks[name], completed=done, note=note)
