"""Poll when it is time: follow the pages, and make a record of each item that is new or has changed.

The position has what is remembered between polls: a hash of each item that was seen, the validators of the address, the
value that the next poll asks for items after, the page that follows, and when the next poll is due. An item's record id
is made of its own id and its content, so an item that is forgotten is a duplicate as long as its receipt is kept.
"""

import hashlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from webhooks.sources.kinds.kind import Connection, Lag, Position, Record
from webhooks.sources.kinds.poll.feeds import time_of
from webhooks.sources.kinds.poll.pages import Page, TryLater, get_page, with_parameter
from webhooks.wire.bodies.json_selection import follow

MAX_SEEN = 10_000  # items that are remembered, the latest
MAX_PAGES = 20  # of one fetch
MAX_POLL_PAGES = 200  # of one poll, whatever the other system says
FETCH_SECONDS = 20.0  # of one fetch; the other pages follow in the next one
MAX_FETCH = 16 * 1024**2  # bytes of the records of one fetch
HASH = 16  # characters of a hash

Found = tuple[str, str, Any, bool]  # hash of the id, hash of the content, item, whether it is new


class PollReader:
    """Poll one address."""

    def __init__(self, connection: Connection, position: Position) -> None:
        self._connection, self._settings = connection, connection.settings
        state: dict[str, Any] = dict(position or {})
        self._has_polled: bool = bool(state.get("polled"))
        self._skips = not self._has_polled and (bool(state.get("skip")) or self._settings["first"] == "none")
        self._seen: dict[str, str] = dict(state.get("seen") or {})
        self._validators: Mapping[str, str] = state.get("validators") or {}
        self._cursor: str = state.get("cursor") or ""
        self._page: str = state.get("page") or ""
        self._pages: int = state.get("pages") or 0
        self._due_at: float = state.get("due_at") or 0.0
        self._found: deque[Found] = deque()
        self._current = ""  # the page that these are from
        self._new_validators: Mapping[str, str] = {}  # of the first page of the poll in progress
        self._has_moved = False

    def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return new and changed items if a poll is due. Raises SourceUnavailable."""
        end, pages = time.monotonic() + FETCH_SECONDS, 0
        while not self._found and time.time() >= self._due_at:
            self._poll_page()
            pages += 1
            if pages >= MAX_PAGES or time.monotonic() > end:
                break
        return self._records(limit)

    def acknowledge(self, records: Sequence[Record]) -> None:
        """Acknowledge nothing: the position says what was read."""

    def lag(self) -> Lag:
        """Return that nothing is left, and the position if it has moved without records."""
        moved, self._has_moved = self._has_moved, False
        return Lag(len(self._found), position=self._position() if moved else None)

    def close(self) -> None:
        """Close nothing: each request has a connection of its own."""

    def sample(self, page: Page) -> Record | None:
        """Return the latest item of a page as a record; None if it has none."""
        found = self._unseen(page)
        return self._record(*found[-1]) if found else None

    def _poll_page(self) -> None:
        """Request the page that is due and keep its new items."""
        first = not self._page
        url = self._page or self._first_url()
        try:
            page = get_page(self._connection, url, self._validators if first else {})
        except TryLater as later:
            self._due_at, self._has_moved = time.time() + later.seconds, True
            return
        self._current, self._has_moved = url, True
        if first:
            self._new_validators, self._pages = page.validators, 0
        self._pages += 1
        found = self._unseen(page)
        if self._skips:
            self._seen.update((id, content) for id, content, _, _ in found)
        else:
            self._found.extend(found)
        self._advance_cursor(page)
        goes_on = bool(page.next_url and found) and self._pages < MAX_POLL_PAGES
        self._page = page.next_url if goes_on else ""
        if not goes_on:
            self._end_poll()

    def _end_poll(self) -> None:
        self._validators, self._new_validators = self._new_validators, {}
        self._due_at = time.time() + self._settings["interval_seconds"]
        self._skips, self._has_polled = False, True

    def _first_url(self) -> str:
        url: str = self._settings["url"]
        parameter = self._settings.get("cursor_parameter")
        return with_parameter(url, parameter, self._cursor) if parameter and self._cursor else url

    def _advance_cursor(self, page: Page) -> None:
        """Take the greatest value at ``cursor_path`` among the items; the last one if texts and numbers mix."""
        if not self._settings.get("cursor_path"):
            return
        values = [follow(self._settings["cursor_path"], it) for it in page.items]
        values = [it for it in values if isinstance(it, (str, int, float)) and not isinstance(it, bool)]
        if not values:
            return
        try:
            greatest = max(values)  # type: ignore[type-var]
        except TypeError:
            greatest = values[-1]
        if str(greatest) != self._cursor:
            self._cursor, self._new_validators = str(greatest), {}  # those of another URL

    def _unseen(self, page: Page) -> list[Found]:
        """Return the items that are new or have changed, the oldest first if they have times."""
        found: list[Found] = []
        for item in page.items:
            body = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
            content = _hash(body)
            id = _hash(orjson.dumps(self._id_of(item, page))) if self._id_of(item, page) is not None else content
            known = self._seen.get(id)
            if known == content or (known is not None and not self._settings["changes"]):
                self._seen[id] = self._seen.pop(id)  # the latest are remembered
                continue
            found.append((id, content, item, known is None))
        path = self._settings.get("time_path")
        times = [time_of(follow(path, it[2])) for it in found] if path else []
        if times and all(it is not None for it in times):
            found = [it for _, it in sorted(zip(times, found, strict=True), key=lambda pair: pair[0])]  # type: ignore[arg-type,return-value]
        return found

    def _id_of(self, item: Any, page: Page) -> Any:
        path = self._settings.get("id_path") or ("/id" if page.is_feed else "")
        return follow(path, item) if path else None

    def _records(self, limit: int) -> list[Record]:
        records: list[Record] = []
        size = 0
        while self._found and len(records) < limit and size < MAX_FETCH:
            id, content, item, is_new = self._found.popleft()
            self._seen.pop(id, None)
            self._seen[id] = content
            record = self._record(id, content, item, is_new)
            size += len(record.body)
            records.append(record)
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        if records:
            records[-1] = replace(records[-1], position=self._position())
            self._has_moved = False
        return records

    def _record(self, id: str, content: str, item: Any, is_new: bool) -> Record:
        path = self._settings.get("time_path")
        moment = (
            follow(path, item) if path else isinstance(item, dict) and (item.get("published") or item.get("updated"))
        )
        prefix = self._settings["event_type"]
        return Record(
            id=f"{id}.{content}",
            body=orjson.dumps(item),
            headers={"poll-change": "created" if is_new else "updated"},
            content_type="application/json",
            time=time_of(moment),
            event_type=f"{prefix}.{'created' if is_new else 'updated'}",
        )

    def _position(self) -> Position:
        """Return what is remembered; while items of a page are left, that page is requested again after a crash."""
        return {
            "seen": dict(self._seen),
            "polled": self._has_polled and not self._found,
            "skip": self._skips,
            "validators": {} if self._found else dict(self._validators),
            "cursor": self._cursor,
            "page": self._current if self._found else self._page,
            "pages": self._pages,
            "due_at": 0.0 if self._found else self._due_at,
        }


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:HASH]
