"""Leave out of a text what PostgreSQL cannot store: NUL, and surrogates, which UTF-8 does not have."""


def storable(text: str) -> str:
    """Return the text without NUL, and with a question mark in the place of each surrogate."""
    if text.isascii():
        return text.replace("\0", "")
    return text.replace("\0", "").encode("utf-8", "replace").decode()
