"""Show or hand out a body: it is somebody else's content, so it is escaped and cut, or a file no browser opens."""

import orjson
from django.http import FileResponse

from webhooks.models import Receipt
from webhooks.sources.message_labels import parse_json

PREVIEW = 64 * 1024  # bytes that are shown; of an object in storage, all that is read
LONGEST_SHOWN = 100_000  # characters, for indentation makes text longer


def download_body(receipt: Receipt) -> FileResponse:
    """The body, byte for byte as it came, as an attachment that nothing is guessed about and nothing runs from.
    Raises OSError if storage is out of reach."""
    return FileResponse(
        receipt.open(),
        as_attachment=True,
        filename=f"{receipt.public_id}.bin",
        content_type="application/octet-stream",
        headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"},
    )


def preview_body(receipt: Receipt) -> tuple[str, int]:
    """The beginning of a body as text, JSON indented if it is there whole, and how many bytes are not shown.
    Raises OSError if storage is out of reach."""
    with receipt.open() as file:
        head = file.read(PREVIEW)
    rest = receipt.size - len(head)
    document = parse_json(head) if rest == 0 else None
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() if document is not None else ""
    if not text or len(text) > LONGEST_SHOWN:
        text = head.decode("utf-8", "replace")
    return text, rest
