"""Request one page of an API or a feed, conditionally (RFC 9110, section 13), and find its items and the next page."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import orjson

from webhooks.outgoing.call_messages import CallResponse
from webhooks.sources.kinds.http_calls import response_of, start_request
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.sources.kinds.poll.feeds import MAX_ITEMS, InvalidFeed, read_feed
from webhooks.wire.bodies.json_selection import follow

MAX_RESPONSE = 16 * 1024**2  # bytes of a page
TIMEOUT = 10.0  # seconds of one request
MAX_WAIT = 24 * 3600.0  # seconds of a Retry-After that is obeyed

_LINK = re.compile(r'<([^<>]*)>\s*((?:;\s*[\w!#$&+.^`|~*-]+\s*=\s*(?:"[^"]*"|[^\s",;]*)\s*)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]*))', re.IGNORECASE)


class TryLater(Exception):
    """The other system asks to wait, by Retry-After."""

    def __init__(self, seconds: float, status: int) -> None:
        super().__init__(f"responded {status}")
        self.seconds, self.status = seconds, status


@dataclass(frozen=True, slots=True)
class Page:
    """A page of items; ``validators``: what the next request of the same URL is conditional on."""

    items: list[Any] = field(default_factory=list)
    next_url: str = ""
    validators: Mapping[str, str] = field(default_factory=dict)
    is_feed: bool = False


def get_page(connection: Connection, url: str, validators: Mapping[str, str]) -> Page:
    """Request a page. Raises SourceUnavailable, TryLater."""
    headers = {**_headers(connection), **validators}
    future = start_request(connection, url, headers, None, timeout=TIMEOUT, max_response=MAX_RESPONSE, method="GET")
    response = response_of(future, "settings.url")
    received = {name.lower(): value for name, value in response.headers.items()}
    if response.status == 304:
        return Page(validators=validators)
    _check_status(connection, response, received)
    return _read(connection, url, response.body, received)


def with_parameter(url: str, name: str, value: str) -> str:
    """Return a URL with a query parameter, in place of one of the same name."""
    parts = urlsplit(url)
    query = [it for it in parse_qsl(parts.query, keep_blank_values=True) if it[0] != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, value)])))


def _headers(connection: Connection) -> dict[str, str]:
    settings, credentials = connection.settings, connection.credentials
    headers = {
        "Accept": "application/json, application/feed+json, application/atom+xml, application/rss+xml, */*;q=0.5"
    }
    headers |= {str(name): str(value) for name, value in settings.get("headers", {}).items()}
    if settings.get("username"):
        pair = f"{settings['username']}:{credentials.get('password', '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    elif credentials.get("token"):
        headers["Authorization"] = f"Bearer {credentials['token']}"
    if settings.get("key_header") and credentials.get("key"):
        headers[settings["key_header"]] = credentials["key"]
    return headers


def _check_status(connection: Connection, response: CallResponse, headers: Mapping[str, str]) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    if status in (429, 503) and (wait := _retry_after(headers.get("retry-after", ""))) is not None:
        raise TryLater(wait, status)
    text = f"The server responded with status {status}."
    if status in (401, 403):
        credentials = connection.credentials
        name = next((it for it in ("password", "token", "key") if it in credentials), "token")
        raise SourceUnavailable(text, f"credentials.{name}")
    if 300 <= status < 400:
        place = headers.get("location", "")[:200]
        raise SourceUnavailable(f"{text} Redirects are not followed; give the address {place}.", "settings.url")
    raise SourceUnavailable(text, "settings.url" if 400 <= status < 500 else "")


def _retry_after(text: str) -> float | None:
    try:
        seconds = float(text) if text.isdigit() else (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_WAIT)


def _read(connection: Connection, url: str, body: bytes, headers: Mapping[str, str]) -> Page:
    pairs = (("If-None-Match", headers.get("etag")), ("If-Modified-Since", headers.get("last-modified")))
    validators = {name: value for name, value in pairs if value}
    settings = connection.settings
    is_feed = settings["format"] == "feed" or (settings["format"] == "auto" and body.lstrip()[:1] == b"<")
    if is_feed:
        try:
            return Page(read_feed(body), validators=validators, is_feed=True)
        except InvalidFeed as error:
            raise SourceUnavailable(str(error), "settings.url") from error
    try:
        document = orjson.loads(body) if body else []
    except ValueError as error:
        raise SourceUnavailable(f"The response is no JSON: {error}.", "settings.url") from error
    items = follow(settings["items_path"], document) if settings["items_path"] else document
    if items is None and settings["items_path"]:
        raise SourceUnavailable(f"The response has nothing at {settings['items_path']}.", "settings.items_path")
    found = items if isinstance(items, list) else [items]
    return Page(found[:MAX_ITEMS], _next_url(settings, url, document, headers), validators)


def _next_url(settings: Mapping[str, Any], url: str, document: Any, headers: Mapping[str, str]) -> str:
    """Return the URL of the next page, which must be of the same origin as this one; empty: there is none.

    Raises SourceUnavailable for one of another origin, to which the credentials would be sent.
    """
    found = follow(settings["next_path"], document) if settings.get("next_path") else None
    if isinstance(found, bool) or found in (None, ""):
        following = "" if settings.get("next_path") else _linked(headers.get("link", ""))
        if not following:
            return ""
    elif settings.get("next_parameter"):
        return with_parameter(url, settings["next_parameter"], str(found))
    else:
        following = str(found)
    target = urljoin(url, following)
    if urlsplit(target)[:2] != urlsplit(url)[:2]:
        raise SourceUnavailable("The next page is at another host; it is not followed.", "settings.next_path")
    return "" if target == url else target


def _linked(header: str) -> str:
    """Return the target of the link with the relation ``next`` (RFC 8288)."""
    for target, parameters in _LINK.findall(header[:8192]):
        relation = _REL.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(target)
    return ""
