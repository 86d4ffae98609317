"""Resolve and check the host of a broker on behalf of the owner of a source, with SourceUnavailable for what fails."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings

from webhooks.outgoing.errors import HostNotResolved, LimitReached
from webhooks.outgoing.guarded_host import check_host, split_host
from webhooks.sources.kinds.kind import Connection, SourceUnavailable
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

NO_TLS = "Connections without TLS are not allowed here (WAYPOST_ALLOW_HTTP)."


def addresses_of(connection: Connection, text: str, default_port: int, setting: str) -> tuple[str, int, list[str]]:
    """Return host, port and checked addresses of ``host`` or ``host:port``. Raises SourceUnavailable."""
    try:
        host, port = split_host(text, default_port)
        return host, port, check_host(host, port, share=connection.share)
    except ForbiddenAddress as error:
        raise SourceUnavailable(f"{text}: {error}", setting) from error
    except (HostNotResolved, LimitReached) as error:
        raise SourceUnavailable(str(error) or f"The name {text} is not resolved.", setting) from error


def problems_of_host(text: str, default_port: int, setting: str, *, tls: bool) -> Mapping[str, Any]:
    """Return what is wrong with a host and the choice of TLS, without connecting."""
    problems = {}
    try:
        split_host(text, default_port)
    except ForbiddenAddress as error:
        problems[setting] = str(error)
    if not tls and not django_settings.WAYPOST_ALLOW_HTTP:
        problems["settings.tls"] = NO_TLS
    return problems
