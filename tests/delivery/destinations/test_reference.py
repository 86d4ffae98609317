"""Compare docs/reference/destinations.md with the settings of the kinds that it is made from."""

import os
from pathlib import Path

import pytest

from delivery.transports.registry import ENGINES
from subscriptions.endpoints.destinations.kind import Setting
from subscriptions.endpoints.destinations.registry import HTTP, KindEntry, find_kind, kind_names, list_kinds

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "destinations.md"
HEAD = """# Types of endpoints

An endpoint is called by its URL (`http`), or its deliveries are written to another system: a queue, a stream, a table.
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


def escaped(text: object) -> str:
    return str(text).replace("|", r"\|").replace("\n", " ")


def form(setting: Setting) -> str:
    """Return the type of a setting with its limits."""
    names = {"text": "string", "number": "integer", "texts": "array of strings"}
    if setting.choices:
        return "one of " + ", ".join(f"`{it}`" for it in setting.choices)
    limits = [f"from {setting.minimum:,}"] if setting.minimum is not None else []
    limits += [f"up to {setting.maximum:,}"] if setting.maximum is not None else []
    return ", ".join([names.get(setting.type, setting.type), *limits])


def default(setting: Setting) -> str:
    if setting.is_required:
        return "required"
    value = setting.default
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def row(setting: Setting) -> str:
    example = f" Example: `{setting.example}`." if setting.example else ""
    cells = (f"`{setting.path}`", form(setting), default(setting), f"{setting.help_text}{example}")
    return f"| {' | '.join(map(escaped, cells))} |\n"


def section(kind: KindEntry) -> str:
    extra = f"\nIt needs `pip install waypost[{kind.extra}]`.\n" if kind.extra else ""
    rows = "".join(map(row, kind.settings))
    return (
        f"\n## {kind.label}: `{kind.name}`\n\n{kind.description}\n{extra}\n"
        f"| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n{rows}"
    )


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
    assert kind.label
    assert kind.description.endswith(".")
    assert kind.engine in ENGINES
    for setting in kind.settings:
        assert setting.label[0].isupper(), setting.path
        assert setting.help_text.endswith("."), setting.path
        assert not (setting.is_credential and setting.default), setting.path
