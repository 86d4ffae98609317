"""Give the pages of the admin the version for their footer."""

from django.http import HttpRequest

from webhooks.version import VERSION


def version(_request: HttpRequest) -> dict[str, str]:
    """Return the variable of templates (a context processor of Django)."""
    return {"waypost_version": VERSION}
