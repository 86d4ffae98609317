"""Read RSS 0.9 to 2.0, RDF and Atom (RFC 4287) into items, with entities and external documents refused.

The XML of strangers is parsed by expat, which the standard library has. Declarations of entities are refused, so that
neither a file is read nor memory filled (billion laughs); nesting is limited, and so are the number of items and the
length of each.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

MAX_DEPTH = 64  # levels of elements
MAX_ITEMS = 10_000
MAX_TEXT = 100_000  # characters of one text of an item

_TEXTS = {
    "id": ("guid", "id"),
    "title": ("title",),
    "summary": ("description", "summary"),
    "content": ("encoded", "content"),
    "author": ("author", "creator"),
    "published": ("published", "pubDate", "date", "issued"),
    "updated": ("updated", "modified"),
}


class InvalidFeed(ValueError):
    """The document is no feed, or one that is not read."""


def read_feed(body: bytes) -> list[dict[str, Any]]:
    """Return the items of a feed, oldest first where it has the newest first, as most do. Raises InvalidFeed."""
    root = _parse(body)
    if _name(root) not in ("rss", "RDF", "feed"):
        raise InvalidFeed(f"The document is no RSS or Atom feed; it begins with the element {_name(root)[:64]}.")
    found = [it for it in root.iter() if _name(it) in ("item", "entry")][:MAX_ITEMS]
    items = [_item(it) for it in found]
    times = [time for it in items if (time := time_of(it.get("published") or it.get("updated"))) is not None]
    return items if len(times) > 1 and times[0] < times[-1] else items[::-1]


def time_of(value: Any) -> datetime | None:
    """Return the time of an item: an RFC 3339 or RFC 822 text, or unix seconds; None if it is none."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value if value < 1e11 else value / 1000, UTC)
        if not isinstance(value, str):
            return None
        text = value.strip()
        time = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (ValueError, OverflowError, OSError, TypeError, IndexError):
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _item(element: Element) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name, written in _TEXTS.items():
        text = next((text for it in element if _name(it) in written and (text := _text(it))), "")
        if text:
            item[name] = text
    link = next((it for it in map(_link, element) if it), "")
    if link:
        item["link"] = link
    item.setdefault("id", link)
    if categories := [text for it in element if _name(it) == "category" and (text := it.get("term") or _text(it))]:
        item["categories"] = categories
    return item


def _link(element: Element) -> str:
    if _name(element) != "link" or element.get("rel", "alternate") != "alternate":
        return ""
    return element.get("href") or _text(element)


def _text(element: Element) -> str:
    return "".join(element.itertext()).strip()[:MAX_TEXT]


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _parse(body: bytes) -> Element:
    builder, depth = TreeBuilder(), 0
    parser = ParserCreate(namespace_separator="}")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise InvalidFeed(f"The document has more than {MAX_DEPTH} levels.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_declaration: object) -> None:
        raise InvalidFeed("The document declares entities, which are not read.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse  # type: ignore[assignment]
    try:
        parser.Parse(body, True)
        return builder.close()
    except (ExpatError, AssertionError, ValueError) as error:
        if isinstance(error, InvalidFeed):
            raise
        raise InvalidFeed(f"The document is no XML: {error}") from error
