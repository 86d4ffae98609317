"""Declare commands: a function, its name, and its arguments."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from waypost_client.cli.output import Output
from waypost_client.client import Client


@dataclass
class Context:
    """Hold the arguments of a command, its client, and where it prints to."""

    arguments: argparse.Namespace
    client: Client
    output: Output


Run = Callable[[Context], None]
Argument = tuple[Sequence[str], dict[str, Any]]


@dataclass(frozen=True)
class Command:
    """Describe a command.

    ``changes``: whether it writes, for the assistants that may only read. ``has_end``: whether it ends by itself.
    ``confirm``: the argument that answers the question of the command, where there is no terminal.
    """

    name: str
    help: str
    run: Run
    arguments: Sequence[Argument] = field(default_factory=tuple)
    changes: bool = False
    has_end: bool = True
    confirm: str = ""


COMMANDS: dict[str, Command] = {}


def argument(*names: str, **options: Any) -> Argument:
    """Return an argument, as for ``argparse``."""
    return names, options


class Differs(Exception):
    """Report a result that is no error, and no success for a script either: the status of the command is 1."""


def command(name: str, help: str, *arguments: Argument, **properties: Any) -> Callable[[Run], Run]:
    """Register the function as a command. ``properties``: those of ``Command`` that are not as usual."""

    def register(run: Run) -> Run:
        COMMANDS[name] = Command(name, help, run, arguments, **properties)
        return run

    return register


LIMIT = argument("--limit", type=int, default=20, help="at most so many (default 20)")
SINCE = argument("--since", metavar="TIME", help="from this instant on: 2026-05-04T12:00:00Z, or 15m, 2h, 3d ago")
TYPE = argument("--type", metavar="TYPE", help="of this event type")
ENDPOINT = argument("--endpoint", metavar="ID", help="of this endpoint, by id or uid")
