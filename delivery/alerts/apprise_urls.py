"""Check and show the URLs of Apprise, a package that sends to some hundred services.

It is an extra of the installation. Its requests do not pass the address guard, so these URLs are for operators only,
who can reach the network of the platform anyway. They hold credentials, so they are stored encrypted.
"""

from importlib import import_module
from importlib.util import find_spec
from urllib.parse import urlsplit

MAX_URL = 2_048  # characters
NOT_INSTALLED = 'Apprise is not installed here: pip install "waypost[apprise]" brings it.'


def is_installed() -> bool:
    """Return whether Apprise can be imported."""
    return find_spec("apprise") is not None


def check_url(url: str) -> str:
    """Return why a URL cannot be used; empty if it can."""
    if not is_installed():
        return NOT_INSTALLED
    if not url or len(url) > MAX_URL or not url.isprintable():
        return f"url is required for this type, with at most {MAX_URL:,} characters."
    known = import_module("apprise").Apprise.instantiate(url) is not None
    return "" if known else "url is none that Apprise knows."


def shown(url: str) -> str:
    """Return a URL without its secrets: the scheme only."""
    return f"{urlsplit(url).scheme}://***"
