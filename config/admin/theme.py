"""Name the files of the admin's look, for the settings of unfold."""

from django.http import HttpRequest
from django.templatetags.static import static


def stylesheet(_request: HttpRequest) -> str:
    """Return the address of the colours, which unfold would otherwise write into each page."""
    return static("config/theme.css")


def forms_and_lists(_request: HttpRequest) -> str:
    """Return the address of the styles of our own pages, and of the search box that is on every page."""
    return static("webhooks/admin.css")


def find_script(_request: HttpRequest) -> str:
    """Return the address of the script that focuses the search box with a key."""
    return static("webhooks/find.js")


def keys_script(_request: HttpRequest) -> str:
    """Return the address of the script that lets the keys reach every control."""
    return static("config/keys.js")


def favicon(_request: HttpRequest) -> str:
    """Return the address of the icon."""
    return static("config/favicon.svg")


def context(_request: HttpRequest) -> dict[str, object]:
    """Return what the templates of all pages get: no colours, for which unfold would write a style into each page."""
    return {"colors": {}}
