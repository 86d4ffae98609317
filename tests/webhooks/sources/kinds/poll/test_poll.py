"""Poll a real HTTP server: an event for each new or changed item, once each, whatever dies."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from delivery.models import Event
from tests.factories import make_client, make_key, make_tenant
from tests.ports import free_port
from tests.receiver import Receiver, hang, status
from tests.webhooks.sources.kinds.guides import Guide
from tests.webhooks.sources.kinds.reading import (
    POINTS,
    connection_to,
    errors,
    make_due,
    read_in_child_that_dies,
    read_once,
    read_source,
)
from webhooks.models import Receipt, Source, SourcePartition
from webhooks.processing.process import process_due
from webhooks.readers.open_readers import close_readers
from webhooks.readers.partitions import seek
from webhooks.sources.kinds.kind import InvalidSettings, SourceUnavailable
from webhooks.sources.kinds.poll import pages
from webhooks.sources.kinds.poll.feeds import InvalidFeed, read_feed, time_of
from webhooks.sources.kinds.poll.source import Poll

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

ALL = {"first": "all", "id_path": "/id"}


@pytest.fixture
def server(settings: Any) -> Iterator[Receiver]:
    """The API that is polled."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    with Receiver() as running:
        yield running
    close_readers()


def answer(value: Any, **headers: str) -> Any:
    return status(200, orjson.dumps(value), content_type="application/json", **headers)


def poll_again() -> int:
    """Read as if the interval were over; return the number of records."""
    close_readers()
    for row in SourcePartition.objects.exclude(position=None):
        row.position["due_at"] = 0.0
        row.save(update_fields=["position"])
    make_due()
    return read_once()


def ids() -> list[Any]:
    return [orjson.loads(it.read())["id"] for it in Receipt.objects.order_by("id")]


def test_new_and_changed_items_are_events_and_unchanged_ones_are_not(server: Receiver) -> None:
    first, second = {"id": 1, "n": 1}, {"id": 2, "n": 1}
    url = server.script("/orders", answer([first]), answer([first, second]), answer([{**first, "n": 2}, second]))
    read_source("poll", {"url": url, "event_type": "order", **ALL}, {})
    assert [poll_again() for _ in range(4)] == [1, 1, 1, 0]
    assert list(Receipt.objects.order_by("id").values_list("event_type", flat=True)) == [
        "order.created",
        "order.created",
        "order.updated",
    ]
    assert ids() == [1, 2, 1]


def test_first_poll_makes_no_events_unless_told(server: Receiver) -> None:
    url = server.script("/orders", answer([{"id": 1}]), answer([{"id": 1}, {"id": 2}]))
    read_source("poll", {"url": url, "id_path": "/id"}, {})
    assert [poll_again(), poll_again()] == [0, 1]
    assert ids() == [2]


def test_changes_may_be_left_out(server: Receiver) -> None:
    url = server.script("/orders", answer([{"id": 1}]), answer([{"id": 1, "n": 2}]))
    read_source("poll", {"url": url, "changes": False, **ALL}, {})
    assert [poll_again(), poll_again()] == [1, 0]


def test_item_without_an_id_is_new_when_its_content_is(server: Receiver) -> None:
    url = server.script("/status", answer({"id": 0, "up": True}), answer({"id": 0, "up": False}))
    read_source("poll", {"url": url, "first": "all"}, {})
    assert [poll_again(), poll_again()] == [1, 1]


def test_poll_is_not_due_before_the_interval_is_over(server: Receiver) -> None:
    url = server.script("/orders", answer([{"id": 1}]))
    read_source("poll", {"url": url, "interval_seconds": 3600, **ALL}, {})
    for _ in range(3):
        make_due()
        read_once()
    close_readers()
    make_due()
    read_once()
    assert len(server.arrivals) == 1
    assert SourcePartition.objects.get().position["due_at"] > time.time() + 3000


def test_requests_are_conditional_and_304_reads_nothing(server: Receiver) -> None:
    url = server.script("/orders", answer([{"id": 1}], etag='"v1"', last_modified="Thu, 31 Jan 2030 12:00:00 GMT"), 304)
    read_source("poll", {"url": url, **ALL}, {})
    assert [poll_again(), poll_again(), poll_again()] == [1, 0, 0]
    assert [it.headers["if-none-match"] for it in server.arrivals] == [None, '"v1"', '"v1"']
    assert server.arrivals[1].headers["if-modified-since"] == "Thu, 31 Jan 2030 12:00:00 GMT"


@pytest.mark.parametrize("how", ["link", "path", "token"])
def test_pages_are_followed(server: Receiver, how: str) -> None:
    settings = {"link": {}, "path": {"next_path": "/next"}, "token": {"next_path": "/next", "next_parameter": "page"}}
    second = {"link": "/2", "path": server.url("/2"), "token": "x y"}[how]
    headers = {"link": f'<{server.url("/0")}>; rel="prev", <{second}>; title="a, b"; rel="last next"'}
    first = answer({"data": [{"id": 1}], "next": second}, **(headers if how == "link" else {}))
    server.script("/2" if how != "token" else "/1?page=x+y", answer({"data": [{"id": 2}], "next": None}))
    url = server.script("/1", first)
    read_source("poll", {"url": url, "items_path": "/data", **settings[how], **ALL}, {})
    while read_once():
        make_due()
    assert ids() == [1, 2]


def test_next_page_at_another_host_is_not_followed(server: Receiver) -> None:
    url = server.script("/1", answer({"data": [{"id": 1}], "next": "https://example.com/2"}))
    read_source("poll", {"url": url, "items_path": "/data", "next_path": "/next", **ALL}, {})
    read_once()
    ((setting, text),) = errors()
    assert (setting, "another host" in text) == ("settings.next_path", True)


def test_pages_without_end_stop(server: Receiver) -> None:
    url = server.script("/1", answer({"data": [{"id": 1}], "next": "/1?more"}))
    server.script("/1?more", answer({"data": [{"id": 1}], "next": "/1"}))
    read_source("poll", {"url": url, "items_path": "/data", "next_path": "/next", **ALL}, {})
    poll_again()
    poll_again()
    assert ids() == [1]
    assert len(server.arrivals) < 10


def test_cursor_of_the_items_is_a_parameter_of_the_next_poll(server: Receiver) -> None:
    url = server.script("/orders?open=1", answer([{"id": 1, "at": "2030-01-01"}, {"id": 2, "at": "2030-01-03"}]))
    server.script("/orders?open=1&since=2030-01-03", answer([{"id": 3, "at": "2030-01-04"}]))
    server.script("/orders?open=1&since=2030-01-04", answer([]))
    cursor = {"cursor_path": "/at", "cursor_parameter": "since"}
    read_source("poll", {"url": url, **cursor, **ALL}, {})
    assert [poll_again(), poll_again(), poll_again()] == [2, 1, 0]
    assert ids() == [1, 2, 3]


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_obeyed(server: Receiver, code: int) -> None:
    url = server.script("/orders", status(code, retry_after=1000), answer([{"id": 1}]))
    read_source("poll", {"url": url, **ALL}, {})
    for _ in range(3):
        close_readers()
        make_due()
        assert read_once() == 0
    assert len(server.arrivals) == 1
    assert errors() == []
    assert poll_again() == 1


@pytest.mark.parametrize(
    ("response", "setting", "said"),
    [
        (status(500), "", "status 500"),
        (status(401), "credentials.token", "status 401"),
        (status(404), "settings.url", "status 404"),
        (status(301, location="https://example.com/"), "settings.url", "https://example.com/"),
        (status(200, b"<html>no feed</html>"), "settings.url", "no RSS or Atom"),
        (status(200, b"<html><br></html>"), "settings.url", "no XML"),
        (status(200, b'{"a": '), "settings.url", "no JSON"),
        (status(200, b"\xff\x00"), "settings.url", "no JSON"),
        (status(200, b'{"items": []}'), "settings.items_path", "nothing at /data"),
    ],
)
def test_nonsense_is_an_error_that_names_the_setting(server: Receiver, response: Any, setting: str, said: str) -> None:
    url = server.script("/orders", response)
    connection = connection_to(Poll(), {"url": url, "items_path": "/data"}, {})
    with pytest.raises(SourceUnavailable, match=said) as raised:
        Poll().test(connection)
    assert raised.value.setting == setting
    read_source("poll", {"url": url, "items_path": "/data", **ALL}, {})
    read_once()
    assert [it for it, _ in errors()] == [setting]


def test_server_that_hangs_or_is_away_is_an_error_in_time(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "TIMEOUT", 0.2)
    for url, said in (
        (server.script("/orders", hang), "in time"),
        (f"http://127.0.0.1:{free_port()}/", "No connection"),
    ):
        with pytest.raises(SourceUnavailable, match=said):
            Poll().test(connection_to(Poll(), {"url": url}, {}))


def test_response_beyond_the_limit_is_an_error(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_RESPONSE", 10)
    url = server.script("/orders", answer(["0123456789"]))
    with pytest.raises(SourceUnavailable, match="more than"):
        Poll().test(connection_to(Poll(), {"url": url}, {}))


def test_private_address_is_not_called(server: Receiver, settings: Any) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = []
    with pytest.raises(SourceUnavailable, match="may not be called"):
        Poll().test(connection_to(Poll(), {"url": server.url("/")}, {}))
    assert server.arrivals == []


@pytest.mark.parametrize(
    ("given", "credentials", "header", "value"),
    [
        ({"username": "ada"}, {"password": "x"}, "authorization", "Basic " + base64.b64encode(b"ada:x").decode()),
        ({}, {"token": "t"}, "authorization", "Bearer t"),
        ({"key_header": "x-api-key"}, {"key": "k"}, "x-api-key", "k"),
        ({"headers": {"x-region": "eu"}}, {}, "x-region", "eu"),
    ],
)
def test_credentials_and_headers_are_sent(
    server: Receiver, given: dict[str, Any], credentials: dict[str, str], header: str, value: str
) -> None:
    url = server.script("/orders", answer([{"id": 1}]))
    sample = Poll().test(connection_to(Poll(), {"url": url, **given}, credentials))
    assert server.arrivals[0].headers[header] == value
    assert (sample.message, sample.record and sample.record.body) == ("Found 1 items in a JSON response.", b'{"id":1}')


@pytest.mark.parametrize(
    ("given", "credentials", "fields"),
    [
        ({"url": "ftp://example.com/"}, {}, ["settings.url"]),
        ({"url": "https://a:b@example.com/"}, {}, ["settings.url"]),
        ({"items_path": "data", "id_path": "$.id"}, {}, ["settings.id_path", "settings.items_path"]),
        ({"cursor_path": "/at"}, {}, ["settings.cursor_parameter"]),
        ({"next_parameter": "page"}, {}, ["settings.next_path"]),
        ({"username": "ada"}, {}, ["credentials.password"]),
        ({}, {"password": "x"}, ["settings.username"]),
        ({}, {"key": "x"}, ["settings.key_header"]),
        ({"headers": {"host": "x"}}, {}, ["settings.headers"]),
        ({"headers": {"x-a": 1}}, {}, ["settings.headers"]),
        ({"interval_seconds": 1, "format": "csv"}, {}, ["settings.format", "settings.interval_seconds"]),
    ],
)
def test_settings_that_cannot_work_are_refused(
    given: dict[str, Any], credentials: dict[str, str], fields: list[str]
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        connection_to(Poll(), {"url": "https://example.com/", **given}, credentials)
    assert sorted(raised.value.problems) == fields


def test_seek_reads_all_again_without_doubles_or_skips_what_is_there(server: Receiver) -> None:
    url = server.script("/orders", answer([{"id": 1}]), answer([{"id": 1}]), answer([{"id": 1}, {"id": 2}]))
    source = read_source("poll", {"url": url, **ALL}, {})
    assert poll_again() == 1
    seek(source, "earliest")
    assert (read_once(), Receipt.objects.count()) == (1, 1)
    seek(source, "latest")
    make_due()
    assert (read_once(), Receipt.objects.count()) == (0, 1)


def test_item_with_hostile_texts_is_a_receipt(server: Receiver) -> None:
    item = {"id": 1, "name": "a\x00b", "other": "\ud7ff", "nested": [[[[]]]]}
    read_source("poll", {"url": server.script("/orders", answer([item, "text", None, 5])), "first": "all"}, {})
    assert read_once() == 4
    assert Receipt.objects.filter(dead_at=None).count() == 4


@pytest.mark.django_db(transaction=True)
def test_killed_worker_loses_no_item_and_reads_none_twice(server: Receiver) -> None:
    items = [{"id": number} for number in range(60)]
    pages_of = {"/1": (items[:25], "/2"), "/2": (items[25:45], "/3"), "/3": (items[45:], None)}
    for path, (part, following) in pages_of.items():
        server.script(path, answer({"data": part, "next": following}))
    paths = {"items_path": "/data", "next_path": "/next"}
    read_source("poll", {"url": server.url("/1"), "interval_seconds": 10, **paths, **ALL}, {})
    killed = sum(read_in_child_that_dies(POINTS[number % 3]) for number in range(6))
    assert killed >= 3
    for _ in range(10):
        make_due()
        read_once()
    assert sorted(ids()) == list(range(60))
    assert Receipt.objects.count() == 60


# Feeds.

RSS = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>https://example.com/</link>
<item><guid>2</guid><title>Second &amp; last</title><link>https://example.com/2</link>
<pubDate>Fri, 01 Feb 2030 12:00:00 GMT</pubDate><category>a</category><category>b</category></item>
<item><guid>1</guid><title>First</title><link>https://example.com/1</link>
<pubDate>Thu, 31 Jan 2030 12:00:00 GMT</pubDate><description>Text</description></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title><entry><id>urn:1</id><title>One</title>
<link rel="self" href="https://example.com/self"/><link href="https://example.com/1"/>
<updated>2030-01-31T12:00:00Z</updated><author><name>Ada</name></author>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Hello <b>you</b></div></content></entry></feed>"""


def test_feed_of_rss_is_read_oldest_first(server: Receiver) -> None:
    read_source("poll", {"url": server.script("/feed", status(200, RSS)), "first": "all", "event_type": "news"}, {})
    assert read_once() == 2
    first, second = (orjson.loads(it.read()) for it in Receipt.objects.order_by("id"))
    assert (first["id"], first["summary"], first["link"]) == ("1", "Text", "https://example.com/1")
    assert (second["title"], second["categories"]) == ("Second & last", ["a", "b"])


def test_feed_of_atom_is_read() -> None:
    (item,) = read_feed(ATOM)
    assert item == {
        "id": "urn:1",
        "title": "One",
        "link": "https://example.com/1",
        "updated": "2030-01-31T12:00:00Z",
        "author": "Ada",
        "content": "Hello you",
    }


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><rss><item>&z;</item></rss>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item>&x;</item></rss>',
        b"<a>" * 100 + b"</a>" * 100,
        b"",
        b"<rss>",
        b"\xff\xfe\x00",
    ],
)
def test_hostile_xml_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidFeed):
        read_feed(document)


@pytest.mark.parametrize("value", ["nonsense", "", None, True, {}, "2030-99-01", 1e300, "Fri, 99"])
def test_time_that_is_none_is_none(value: Any) -> None:
    assert time_of(value) is None


def test_source_over_rest_is_tried_at_its_creation(server: Receiver) -> None:
    client = make_client(make_tenant())
    body = {"kind": "poll", "settings": {"url": server.script("/orders", status(401), answer([]))}}
    refused = client.post("/api/v1/sources/", body, format="json")
    assert refused.json()["errors"][0]["field"] == "credentials.token"
    assert client.post("/api/v1/sources/", body, format="json").status_code == 201
    assert Source.objects.get().kind == "poll"


@pytest.mark.django_db(transaction=True)
def test_guide_polls_an_api_and_a_feed_and_publishes(server: Receiver, live_server: Any) -> None:
    replaced = {
        "https://api.example.com/orders": server.script("/orders", answer({"data": [{"id": 1}], "next": None})),
        "https://www.example.com/feed.xml": server.script("/feed", status(200, RSS)),
    }
    guide = Guide("poll-an-api-or-a-feed", f"{live_server.url}/api/v1", make_key(make_tenant())[1], replaced)
    assert [guide.run(0)["kind"], guide.run(1)["kind"]] == ["poll", "poll"]
    for _ in range(2):
        make_due()
        read_once()
    process_due()
    types = sorted(Event.objects.values_list("type", flat=True))
    assert types == ["news.created", "news.created", "order.created"]
