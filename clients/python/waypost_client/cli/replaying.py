"""Replay dead letters and past events."""

import time
from typing import Any

from waypost_client.cli.command import ENDPOINT, SINCE, TYPE, Context, argument, command
from waypost_client.cli.times import instant

LOOK_EVERY = 0.5  # seconds
ENDED = ("finished", "cancelled")


@command(
    "replay",
    "send dead letters, or with --events past events, again: first says how many, then asks",
    ENDPOINT,
    TYPE,
    SINCE,
    argument("--until", metavar="TIME", help="to this instant"),
    argument("--events", action="store_true", help="past events in place of dead letters"),
    argument("--rate", type=int, help="at most so many in a second"),
    argument("--all", action="store_true", help="all, if no filter is given"),
    argument("--yes", action="store_true", help="do not ask"),
    argument("--dry-run", action="store_true", help="only say how many"),
    changes=True,
    confirm="--yes",
)
def replay(context: Context) -> None:
    """Preview, ask, start, and show the progress until it has ended."""
    given = context.arguments
    chosen = {
        "endpoint": given.endpoint,
        "type": given.type,
        "since": instant(given.since),
        "until": instant(given.until),
    }
    body: dict[str, Any] = {
        "scope": "events" if given.events else "dead_letters",
        "filter": {name: value for name, value in chosen.items() if value is not None},
    }
    if given.all:
        body["all"] = True
    preview: Any = context.client.preview_replay(body)  # type: ignore[arg-type]
    least = "at least " if preview["is_lower_bound"] else ""
    for warning in preview["warnings"]:
        context.output.note(warning)
    context.output.note(f"{least}{preview['total']} {body['scope'].replace('_', ' ')} match")
    if given.dry_run:
        context.output.one(preview, f"{least}{preview['total']}")
        return
    if not preview["total"] or not (given.yes or _confirmed()):
        return
    if given.rate:
        body["rate"] = given.rate
    started: Any = context.client.create_replay(body)  # type: ignore[arg-type]
    _follow(context, started)


def _confirmed() -> bool:
    try:
        return input("Send them again? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        raise ValueError("the standard input is closed, so add --yes to confirm") from None


def _follow(context: Context, found: Any) -> None:
    while found["state"] not in ENDED:
        context.output.note(f"{found['replayed']} of {found['total']}")
        time.sleep(LOOK_EVERY)
        found = context.client.get_replay(found["id"])
    states = ", ".join(f"{count} {name}" for name, count in found["deliveries"].items() if count)
    context.output.one(found, f"{found['id']}  {found['state']}: {found['replayed']} sent again; {states or 'none'}")
