"""Name the files of the admin's look, for the settings of unfold."""

from django.http import HttpRequest
from django.templatetags.static import static


def stylesheet(_request: HttpRequest) -> str:
    """Return the address of the colours, which unfold would otherwise write into each page."""
    return static("config/theme.css")


def favicon(_request: HttpRequest) -> str:
    """Return the address of the icon."""
    return static("config/favicon.svg")


def context(_request: HttpRequest) -> dict[str, object]:
    """Return what the templates of all pages get: no colours, for which unfold would write a style into each page."""
    return {"colors": {}}
