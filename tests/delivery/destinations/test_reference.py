"""Compare docs/reference/destinations.md with the settings of the kinds that it is made from."""

import os
from pathlib import Path

import pytest

from delivery.transports.registry import ENGINES
from subscriptions.endpoints.destinations.registry import HTTP, find_kind, kind_names, list_kinds
from subscriptions.models import POLL
from tests.reference_of_kinds import check_texts, section

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "destinations.md"
HEAD = """# Types of endpoints

An endpoint is called by its URL (`http`), its deliveries are written to another system (a queue, a stream, a table), or
consumers pull them (`poll`).
Its `type` says which, `settings` where to, and `credentials`, which are encrypted and never shown, how to get in.
`$API` and `$KEY` are those of the [quickstart](../quickstart.md#7-a-key-for-one-customer):

```sh
curl -s $API/endpoints/ -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d '{"type": "TYPE", "settings": {}, "credentials": {}, "subscriptions": [{"event_types": ["*"]}]}'
```

`GET /endpoint-types/` returns the types of an installation, and which libraries are missing. [How to write to other
systems](../how-to/write-to-other-systems.md) explains what they have in common. This page is made from their files:
`WAYPOST_WRITE_DESTINATIONS=1 make test ARGS=tests/delivery/destinations/test_reference.py` writes it anew.
"""


def page() -> str:
    return HEAD + "".join(section(it) for it in list_kinds() if it.name != HTTP)


def test_page_of_types_shows_their_settings() -> None:
    """Run with WAYPOST_WRITE_DESTINATIONS=1 to write the page anew."""
    if os.environ.get("WAYPOST_WRITE_DESTINATIONS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("name", [name for name in kind_names() if name != HTTP])
def test_kind_is_named_as_it_is_registered_and_says_what_its_settings_are_for(name: str) -> None:
    """The form, REST and the page are made of them."""
    kind = find_kind(name)
    assert kind.name == name
    assert len(name) <= 32
    assert (kind.engine in ENGINES) is (name != POLL)
    check_texts(kind)
