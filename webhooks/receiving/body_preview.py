"""Show a body or offer it for download: content of strangers, so escaped and cut, or a file that no browser opens."""

from django.http import FileResponse

from webhooks.kit.bodies.message_body import parse_document
from webhooks.models import Receipt
from webhooks.wire.bodies.charset import text_of
from webhooks.wire.bodies.pretty_json import pretty

PREVIEW_BYTES = 64 * 1024  # read of a body; the rest is for the download
MAX_PREVIEW_CHARACTERS = 100_000  # indentation makes text longer


def download_body(receipt: Receipt) -> FileResponse:
    """Return the body, byte for byte, as an attachment that browsers neither sniff nor run.

    Raises OSError if storage is unavailable.
    """
    return FileResponse(
        receipt.open(),
        as_attachment=True,
        filename=f"{receipt.public_id}.bin",
        content_type="application/octet-stream",
        headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"},
    )


def preview_body(receipt: Receipt) -> tuple[str, int]:
    """Return the start of a body as text, and the number of bytes not shown.

    Complete JSON is indented, and otherwise as it was written. Raises OSError if storage is unavailable.
    """
    with receipt.open() as file:
        head = file.read(PREVIEW_BYTES)
    remaining = receipt.size - len(head)
    document = parse_document({}, head) if remaining == 0 else None
    text = pretty(text_of(head, "")) if document is not None else ""
    if not text or len(text) > MAX_PREVIEW_CHARACTERS:
        text = head.decode("utf-8", "replace")
    return text, remaining
