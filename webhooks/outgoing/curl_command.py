"""Write the command of curl that sends a given request.

PURE: nothing is sent.
"""

import base64
import shlex
from collections.abc import Iterable


def curl_command(method: str, url: str, lines: Iterable[str], body: bytes, options: Iterable[str] = ()) -> str:
    """Return a command for a shell that sends this request.

    ``lines``: its headers as libcurl takes them (``webhooks.wire.header_values.curl_line``). ``options``: more options.
    A body that a command line cannot contain is decoded from Base64.
    """
    words = ["curl", *(["--head"] if method == "HEAD" else ["--request", method])]
    words += ["--globoff", "--path-as-is", "--url", url, *options]
    for line in lines:
        words += ["--header", line]
    text = _as_text(body)
    if text is None:
        encoded = base64.b64encode(body).decode()
        return f"printf %s {encoded} | base64 -d | " + shlex.join([*words, "--data-binary", "@-"])
    has_body = text or method not in ("GET", "HEAD")
    return shlex.join([*words, "--data-raw", text] if has_body else words)


def _as_text(body: bytes) -> str | None:
    """Return a body as a command line can hold it; None if it cannot."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
