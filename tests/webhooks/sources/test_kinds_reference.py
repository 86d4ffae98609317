"""Compare docs/reference/source-kinds.md with the settings of the kinds that it is made from."""

import os
from pathlib import Path

from tests.reference_of_kinds import check_texts, section
from webhooks.sources.kinds.registry import HTTP, list_kinds

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "source-kinds.md"
HEAD = """# Kinds of sources

A source receives the messages of a sender (`http`), or reads another system: a database, a broker, a queue, an API. Its
`kind` says which, `settings` what is read and from where, and `credentials`, which are stored encrypted and never
shown, how to get in. `$API` and `$KEY` are those of the [quickstart](../quickstart.md#7-a-key-for-one-customer):

```sh
curl -s $API/sources/ -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d '{"kind": "KIND", "settings": {}, "credentials": {}, "handlers": [{"handler": "publish"}]}'
```

`GET /source-kinds/` returns the kinds of an installation, and which libraries are missing. [How to read other
systems](../how-to/read-other-systems.md) explains what they have in common. This page is made from their files:
`WAYPOST_WRITE_KINDS=1 make test ARGS=tests/webhooks/sources/test_kinds_reference.py` writes it anew.
"""


def page() -> str:
    return HEAD + "".join(section(it) for it in list_kinds() if it.name != HTTP)


def test_page_of_kinds_shows_their_settings() -> None:
    """Run with WAYPOST_WRITE_KINDS=1 to write the page anew."""
    if os.environ.get("WAYPOST_WRITE_KINDS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


def test_every_setting_has_a_label_and_says_what_it_is_for() -> None:
    """The form, REST and the page are made of them."""
    for kind in list_kinds():
        check_texts(kind)
