"""Run `waypost COMMAND ...`. The status is 0, or 1 if something failed, and 2 for arguments that are wrong."""

import argparse
import os
import sys
from collections.abc import Sequence

from waypost_client.cli import accounts, assistants, completion, configuration, events, listening, profiles, replaying
from waypost_client.cli.command import COMMANDS, Context, Differs
from waypost_client.cli.output import Output
from waypost_client.client import Client
from waypost_client.errors import WaypostError

MODULES = (accounts, configuration, events, listening, replaying)  # which register their commands
OWN = ("login", "completion", "mcp")


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its status."""
    given = parser().parse_args(words)
    try:
        return _run(given)
    except (WaypostError, ValueError, OSError, profiles.NoKey) as error:
        print(f"waypost: {error}", file=sys.stderr)
        return 1
    except Differs:
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    made = argparse.ArgumentParser(prog="waypost", description="Publish events, and see what becomes of them.")
    made.add_argument("--json", action="store_true", help="print JSON, a line for each item")
    made.add_argument("--tenant", help="whose resources are meant, if the key is the platform's")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    login = commands.add_parser("login", help="keep the address of a platform and a key")
    login.add_argument("--url", default=profiles.LOCAL, help=f"address of the platform (default {profiles.LOCAL})")
    login.add_argument("--key", help="API key; asked for if it is left out, so that no history has it")
    shell = commands.add_parser("completion", help="print the completion for a shell")
    shell.add_argument("shell", choices=completion.SHELLS)
    served = commands.add_parser("mcp", help="serve the commands to a coding assistant, by the Model Context Protocol")
    served.add_argument("--write", action="store_true", help="also those that change something")
    for name, one in sorted(COMMANDS.items()):
        own = commands.add_parser(name, help=one.help, description=f"{one.help[0].upper()}{one.help[1:]}.")
        own.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON, a line for each item"
        )
        own.add_argument(
            "--tenant", default=argparse.SUPPRESS, help="whose resources are meant, for the platform's key"
        )
        for names, options in one.arguments:
            own.add_argument(*names, **options)
    return made


def _run(given: argparse.Namespace) -> int:
    if given.command == "completion":
        print(completion.script(given.shell, sorted([*COMMANDS, *OWN])))
        return 0
    if given.command == "login":
        print(accounts.login(given.url, given.tenant, given.key))
        return 0
    profile = profiles.load()
    with Client(profile.url, profile.key, tenant=given.tenant or profile.tenant) as client:
        if given.command == "mcp":
            assistants.serve(client, may_write=given.write)
        else:
            COMMANDS[given.command].run(Context(given, client, Output(as_json=given.json)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
