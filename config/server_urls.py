"""Read the URLs of servers from the environment: the database, its pooler and the mail server."""

from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from config.env import Misconfigured, read, url


class MailServer(NamedTuple):
    """A mail server. ``starts_tls``: by STARTTLS; ``is_tls``: from the first byte on."""

    host: str
    port: int
    user: str
    password: str
    starts_tls: bool
    is_tls: bool


def mail(name: str) -> MailServer:
    """Return the mail server of `smtp://user:password@host:587`, which begins TLS, `smtps://` or `smtp+plain://`.

    Without the variable: the one on this machine.
    """
    parts = urlsplit(url(name, ("smtp", "smtps", "smtp+plain"), "smtp+plain://localhost:25"))
    try:
        port = parts.port
    except ValueError:
        port = 0
    if not parts.hostname or port == 0:
        raise Misconfigured(f"{name} must have a host and a port from 1 to 65535")
    usual = {"smtp": 587, "smtps": 465, "smtp+plain": 25}[parts.scheme]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    starts_tls, is_tls = parts.scheme == "smtp", parts.scheme == "smtps"
    return MailServer(parts.hostname, port or usual, user, password, starts_tls, is_tls)


def database(name: str, default: str | None = None) -> dict[str, Any]:
    """Return Django's settings for `postgresql://user:password@host:port/name?option=value`.

    The options are those of libpq (`sslmode`, `sslrootcert`, `application_name`, ...). With `?host=/directory` the
    connection uses the Unix socket in that directory.
    """
    value = url(name, ("postgresql", "postgres"), default)
    parts = urlsplit(value)
    options = dict(parse_qsl(parts.query))
    try:
        port = parts.port
    except ValueError:
        raise Misconfigured(f"{name} has a port that is not an integer") from None
    if not parts.path.strip("/"):
        raise Misconfigured(f"{name} must name a database, as in postgresql://user:password@host/waypost")
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": str(port or options.pop("port", "")),
        "OPTIONS": options,
    }


def direct_database(name: str, *, behind: str) -> dict[str, Any] | None:
    """Return Django's settings for the server itself, if it is set; the variable ``behind`` names its pooler then."""
    if not read(name):
        return None
    if not read(behind):
        raise Misconfigured(f"{name} is the address behind the pooler of {behind}, which is not set; set that one only")
    return database(name)
