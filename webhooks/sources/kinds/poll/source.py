"""Define the kind ``poll``: its settings, and its tests of them."""

from typing import Any

from webhooks.kit.kinds.setting import url_problem
from webhooks.sources.kinds.kind import (
    Connection,
    InvalidSettings,
    Kind,
    Position,
    Reader,
    Sample,
    SeekTarget,
    Setting,
)
from webhooks.sources.kinds.poll.pages import TryLater, get_page
from webhooks.sources.kinds.poll.reader import PollReader
from webhooks.wire.custom_headers import ForbiddenHeader, check

PATHS = ("items_path", "id_path", "time_path", "next_path", "cursor_path")


class Poll(Kind):
    """Items of an HTTP API or a feed."""

    name = "poll"
    label = "HTTP API or feed"
    description = (
        "Each new or changed item of an address that is polled is received once: what was seen is stored with the "
        "receipts, and an item that is read again is a duplicate by its id and content."
    )
    idle_seconds = 30.0
    settings = (
        Setting(
            "url",
            "URL",
            "Address that is polled with GET: an API that returns JSON, or an RSS or Atom feed.",
            is_required=True,
            names_place=True,
            example="https://api.example.com/orders?status=open",
        ),
        Setting(
            "interval_seconds",
            "Interval",
            "Seconds from the end of a poll to the next; a Retry-After of the server is obeyed.",
            type="number",
            default=300,
            minimum=10,
            maximum=7 * 86_400,
        ),
        Setting(
            "format",
            "Format",
            "Form of the response: auto reads a feed if it is XML.",
            default="auto",
            choices=("auto", "json", "feed"),
        ),
        Setting(
            "items_path",
            "Items",
            "JSON pointer of the array of items in the response; empty: the response is the array, or the only item.",
            default="",
            example="/data",
        ),
        Setting(
            "id_path",
            "Item ID",
            "JSON pointer of the ID in an item; empty: /id of a feed, else the content, so that a changed item is new.",
            example="/id",
        ),
        Setting("time_path", "Item time", "JSON pointer of the time of an item, by which new ones are sorted."),
        Setting(
            "changes",
            "Changed items",
            "Whether an item whose content has changed makes an event, too.",
            type="boolean",
            default=True,
        ),
        Setting(
            "first",
            "First poll",
            "What the first poll makes of the items that are there: events of all, or of none.",
            default="none",
            choices=("none", "all"),
        ),
        Setting(
            "next_path",
            "Next page",
            "JSON pointer of the URL of the next page, or of its token; empty: the link with rel=next of the header "
            "Link. Pages are followed as long as they have new items.",
            example="/paging/next",
        ),
        Setting(
            "next_parameter",
            "Page parameter",
            "Query parameter for the token at the next page's path; empty: it is a URL.",
            max_length=128,
            example="page_token",
        ),
        Setting(
            "cursor_path",
            "Cursor",
            "JSON pointer of a value in an item that grows, such as a number or a time.",
            example="/updated_at",
        ),
        Setting(
            "cursor_parameter",
            "Cursor parameter",
            "Query parameter of the next poll for the greatest value of the cursor so far.",
            max_length=128,
            example="updated_since",
        ),
        Setting(
            "event_type",
            "Event type",
            "Beginning of the event types: .created for a new item, .updated for a changed one.",
            default="item",
            max_length=128,
            example="order",
        ),
        Setting("headers", "Headers", "Further headers of the request: names with values.", type="object", default={}),
        Setting("username", "User", "User name for HTTP Basic.", max_length=256),
        Setting("password", "Password", "Password for HTTP Basic.", is_credential=True),
        Setting("token", "Token", "Token for Authorization: Bearer.", is_credential=True),
        Setting("key_header", "Key header", "Header for the key.", max_length=128, example="x-api-key"),
        Setting("key", "Key", "Key that is sent in the key header.", is_credential=True),
    )

    def next_idle(self, connection: Connection) -> float:
        return min(float(connection.settings["interval_seconds"]), self.idle_seconds)

    def check(self, connection: Connection) -> None:
        settings = connection.settings
        problems = url_problem(settings["url"], "settings.url")
        for name in PATHS:
            path = settings.get(name)
            if path and not path.startswith("/"):
                problems[f"settings.{name}"] = "Must be a JSON pointer, which begins with a slash: /data/items."
        for one, other in (("cursor_path", "cursor_parameter"), ("key_header", "key"), ("username", "password")):
            problems |= _paired(connection, one, other)
        if settings.get("next_parameter") and not settings.get("next_path"):
            problems["settings.next_path"] = "Is required with next_parameter."
        problems |= _wrong_headers(settings)
        if problems:
            raise InvalidSettings(problems)

    def test(self, connection: Connection) -> Sample:
        try:
            page = get_page(connection, connection.settings["url"], {})
        except TryLater as later:
            return Sample(f"The server {later}; it is polled in {later.seconds:.0f} s.")
        reader = PollReader(connection, {"polled": True})
        record = reader.sample(page)
        kind = "feed" if page.is_feed else "JSON"
        more = ", and a next page" if page.next_url else ""
        return Sample(f"Found {len(page.items)} items in a {kind} response{more}.", record)

    def seek(self, connection: Connection, partition: str, to: SeekTarget) -> Position:
        if to == "earliest":
            return {"polled": True}
        if to == "latest":
            return {"skip": True}
        raise InvalidSettings({"to": "Must be earliest or latest: what an address has had at a time is not known."})

    def open(self, connection: Connection, partition: str, position: Position) -> Reader:
        return PollReader(connection, position)

    def remove(self, connection: Connection) -> None:
        """Remove nothing: polling leaves nothing behind."""


def _paired(connection: Connection, one: str, other: str) -> dict[str, str]:
    """Return the problem of settings that need each other."""
    given = {**connection.settings, **connection.credentials}
    if bool(given.get(one)) == bool(given.get(other)):
        return {}
    missing = other if given.get(one) else one
    place = next(it for it in Poll.settings if it.name == missing).path
    return {place: f"Is required with {one if missing == other else other}."}


def _wrong_headers(settings: Any) -> dict[str, str]:
    headers = settings.get("headers") or {}
    if not all(isinstance(it, str) for it in headers.values()):
        return {"settings.headers": "Must be an object of strings."}
    try:
        check(headers)
    except ForbiddenHeader as error:
        return {"settings.headers": str(error)}
    return {}
