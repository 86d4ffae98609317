"""Resolve and check the host of a broker on behalf of the owner of its settings."""

from django.conf import settings as django_settings

from webhooks.outgoing.brokers.unavailable import BrokerConnection, BrokerUnavailable, Cause
from webhooks.outgoing.errors import HostNotResolved, LimitReached
from webhooks.outgoing.guarded_host import check_host, split_host
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

NO_TLS = "Connections without TLS are not allowed here (WAYPOST_ALLOW_HTTP)."


def addresses_of(
    connection: BrokerConnection, text: str, default_port: int, setting: str
) -> tuple[str, int, list[str]]:
    """Return host, port and checked addresses of ``host`` or ``host:port``. Raises BrokerUnavailable."""
    try:
        host, port = split_host(text, default_port)
        return host, port, check_host(host, port, share=connection.share)
    except ForbiddenAddress as error:
        raise BrokerUnavailable(f"{text}: {error}", setting, Cause.FORBIDDEN) from error
    except (HostNotResolved, LimitReached) as error:
        message = str(error) or f"The name {text} is not resolved."
        raise BrokerUnavailable(message, setting, Cause.NOT_RESOLVED) from error


def problems_of_host(text: str, default_port: int, setting: str, *, tls: bool) -> dict[str, str]:
    """Return what is wrong with a host and the choice of TLS, without connecting."""
    problems = problems_of_tls(tls=tls)
    try:
        split_host(text, default_port)
    except ForbiddenAddress as error:
        problems[setting] = str(error)
    return problems


def problems_of_tls(*, tls: bool) -> dict[str, str]:
    """Return what is wrong with the choice of TLS: without it only where the operator allows HTTP."""
    return {} if tls or django_settings.WAYPOST_ALLOW_HTTP else {"settings.tls": NO_TLS}
