"""Compare docs/reference/senders.md with the presets that it is made from."""

import os
from pathlib import Path

from tests.webhooks.senders.proofs import counts, held_against
from webhooks import schemes
from webhooks.senders import description
from webhooks.senders.presets import Sender, all_senders

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "senders.md"
HEAD = """# Known senders

A source of one of these senders is created with its name and secret only
(`$API` and `$KEY` are those of the [quickstart](../quickstart.md#7-a-key-for-one-customer)):

```sh
curl -s $API/sources/ -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d '{"sender": "zoom", "secret": "the secret token of the app"}'
```

The fields of the source then have the values of the preset; any that you give have yours. `GET /senders/` returns the
presets. *Proof* is how a message is verified, *handshake* the request by which the sender checks the address; *id* and
*order* are where the message id and the order key are; *held against* is what proves in our tests that the preset
verifies what the sender signs. [How to receive](../how-to/receive.md) explains the fields,
[how to add a sender](../how-to/add-a-sender.md) the files. This page is made from them:
`WAYPOST_WRITE_SENDERS=1 make test ARGS=tests/webhooks/senders/test_reference.py` writes it anew.

"""
COLUMNS = ("Sender", "`sender`", "Secret", "Proof", "Handshake", "Id", "Order", "Response", "Held against")


def id_place(sender: Sender) -> str:
    """Return where the message id is: as the preset, its options or its scheme say."""
    scheme, options = schemes.SCHEMES[sender.fields["scheme"]], sender.fields.get("options", {})
    of_scheme = f"header:{scheme.id_header}" if scheme.id_header else f"body:{scheme.id_path}" if scheme.id_path else ""
    signed = {"standard": "header:webhook-id", "svix": "header:svix-id"}.get(scheme.name, of_scheme)
    in_options = f"header:{options['id_header']}" if options.get("id_header") else ""
    found = sender.fields.get("message_id_path") or in_options or signed
    if not found and sender.fields.get("envelope"):
        return "of the event"
    return description.place(found) if found else "content" if sender.fields.get("dedupe") == "content" else "none"


def row(sender: Sender) -> tuple[str, ...]:
    also = f"; also `{'`, `'.join(sender.needs)}`" if sender.needs else ""
    return (
        f"[{sender.label}]({sender.docs})",
        f"`{sender.name}`",
        (sender.secret or "none") + also,
        description.proof(sender),
        description.handshake(sender),
        id_place(sender),
        description.place(sender.fields.get("order_key_path", "")),
        description.response(sender),
        held_against(sender),
    )


def cell_text(text: str) -> str:
    """Return a text as a cell of a table, on one line."""
    return text.replace("|", chr(92) + "|").replace("\n", chr(92) + "n")


def table(rows: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cell_text(cell) for cell in cells)} |\n" for cells in rows)


def page() -> str:
    senders = sorted(all_senders(), key=lambda sender: sender.label.lower())
    rows = [COLUMNS, ("---",) * len(COLUMNS), *map(row, senders)]
    notes = "".join(f"- **{sender.label}**: {sender.note}\n" for sender in senders if sender.note)
    return f"{HEAD}{len(senders)} senders. {counts(senders)}\n\n{table(rows)}\n## Notes\n\n{notes}"


def test_page_of_senders_shows_the_presets() -> None:
    """Run with WAYPOST_WRITE_SENDERS=1 to write the page anew."""
    if os.environ.get("WAYPOST_WRITE_SENDERS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()


def test_every_row_has_a_cell_in_each_column() -> None:
    assert all(all(cell.strip() for cell in row(sender)) for sender in all_senders())
