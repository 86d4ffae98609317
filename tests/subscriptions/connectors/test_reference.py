"""Compare docs/reference/connectors.md with the files of the connectors that it is made from."""

import os
from pathlib import Path

from subscriptions.connectors.catalogue import list_connectors
from subscriptions.connectors.connector import Connector, ConnectorField

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "connectors.md"
HEAD = """# Connectors

Ready settings for the APIs of known systems: [how to use them](../how-to/use-a-connector.md). `<$.path>` in a field
with paths places a value of the event. Credentials are encrypted and never shown. This page is made from the files in
`subscriptions/connectors/`: `WAYPOST_WRITE_CONNECTORS=1 pytest tests/subscriptions/connectors` writes it anew.
"""
TYPES = {"text": "string", "number": "integer", "texts": "array of strings"}


def escaped(text: object) -> str:
    return str(text).replace("|", r"\|").replace("\n", " ")


def row(field: ConnectorField) -> str:
    form = " or ".join(f"`{it}`" for it in field.choices) or TYPES.get(field.type, field.type)
    form += ", with paths" if field.takes_paths else ""
    default = "required" if field.is_required else "none" if field.default in (None, {}) else f"`{field.default}`"
    example = f" Example: `{field.example}`." if field.example else ""
    help_text = field.help_text.replace(" `<$.path>` places a value of the event.", "")
    return f"| {' | '.join(map(escaped, (f'`{field.path}`', form, default, help_text + example)))} |\n"


def section(connector: Connector) -> str:
    messages = "".join(f"- `{it.name}`: {it.description}\n" for it in connector.messages)
    shown = f"\nMessages:\n\n{messages}" if len(connector.messages) > 1 else ""
    notes = f"\n{connector.notes}\n" if connector.notes else ""
    return (
        f"\n## {connector.label}: `{connector.name}`\n\n{connector.category_label}. {connector.description} "
        f"[API]({connector.documentation})\n{shown}\n"
        f"| Field | Type | Default | Meaning |\n| --- | --- | --- | --- |\n{''.join(map(row, connector.fields))}{notes}"
    )


def test_page_of_connectors_shows_their_fields() -> None:
    """Run with WAYPOST_WRITE_CONNECTORS=1 to write the page anew."""
    page = HEAD + "".join(map(section, list_connectors()))
    if os.environ.get("WAYPOST_WRITE_CONNECTORS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page
