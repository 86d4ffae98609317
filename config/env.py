"""Read settings from the environment; each function names the variable when its value is invalid.

An empty variable counts as not set. An error never repeats a value, which may be a secret.
"""

import contextlib
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class Misconfigured(ImproperlyConfigured):
    """An environment variable is missing or invalid."""


def text(name: str, default: str | None = None) -> str:
    """Return the variable as text. Without a default it must be set."""
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise Misconfigured(f"{name} must be set")
    return value


def choice(name: str, options: tuple[str, ...], default: str) -> str:
    """Return one of ``options``."""
    value = text(name, default)
    if value not in options:
        raise Misconfigured(f"{name} must be one of: {', '.join(options)}")
    return value


def flag(name: str, default: bool) -> bool:
    """Return a boolean: 1, true, yes, on, or 0, false, no, off."""
    value = text(name, str(default)).lower()
    if value not in _TRUE | _FALSE:
        raise Misconfigured(f"{name} must be true or false")
    return value in _TRUE


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """Return an integer between ``minimum`` and ``maximum``, both included."""
    try:
        value = int(text(name, str(default)))
    except ValueError:
        raise Misconfigured(f"{name} must be an integer") from None
    if not minimum <= value <= maximum:
        raise Misconfigured(f"{name} must be between {minimum} and {maximum}")
    return value


def words(name: str, default: list[str] | None = None) -> list[str]:
    """Return a comma-separated list, without blanks and empty items."""
    if not os.environ.get(name, "").strip():
        return list(default or [])
    return [word.strip() for word in os.environ[name].split(",") if word.strip()]


def paths(name: str) -> dict[str, str]:
    """Return a comma-separated list of `name=dotted.path`; a dotted path alone is its own name."""
    found = {}
    for word in words(name):
        key, _, path = word.rpartition("=")
        if "." not in path or not all(part.isidentifier() for part in path.strip().split(".")):
            raise Misconfigured(f"{name} must list functions such as book=shop.orders.book or shop.orders.book")
        found[key.strip() or path.strip()] = path.strip()
    return found


def networks(name: str) -> list[str]:
    """Return a comma-separated list of networks in CIDR notation, IPv4 or IPv6; an address is a network of one."""
    found = []
    for word in words(name):
        try:
            found.append(str(ipaddress.ip_network(word)))
        except ValueError:
            raise Misconfigured(f"{name} must list networks such as 127.0.0.0/8 or ::1/128") from None
    return found


def url(name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
    """Return an absolute URL with one of ``schemes``."""
    value = text(name, default)
    try:
        scheme = urlsplit(value).scheme
    except ValueError:
        scheme = ""
    if scheme not in schemes:
        raise Misconfigured(f"{name} must be a URL that begins with {' or '.join(s + '://' for s in schemes)}")
    return value


def database(name: str, default: str | None = None) -> dict[str, Any]:
    """Return Django's settings for `postgresql://user:password@host:port/name?option=value`.

    Options are libpq's (`sslmode`, `sslrootcert`, `application_name`, ...); `?host=/directory` names a socket.
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


def secret(name: str, *, keep_in: Path | None, make: Callable[[], str]) -> str:
    """Return a secret; when it is not set, make one once and store it in this file, readable by its owner only.

    Without a file (in production) the variable must be set.
    """
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if keep_in is None:
        raise Misconfigured(f"{name} must be set when WAYPOST_ENV=production")
    return kept(keep_in, make)


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return the content of a file; the first of several processes writes it, and all read the same."""
    try:
        if not path.exists():
            directory(path.parent)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as draft:
                draft.write(make() + "\n")  # mode 0600 from the start
                draft.flush()
                os.fsync(draft.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text().strip()
    except OSError as error:
        raise Misconfigured(f"WAYPOST_DATA: cannot store {path}: {error.strerror}") from None


def directory(path: Path) -> Path:
    """Create a directory if it is missing, with mode 0711: other users may pass through it and list nothing.

    Passing through is for the embedded servers, which run as another user when we are root.
    """
    try:
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"WAYPOST_DATA: cannot create {path}: {error.strerror}") from None
    return path


def fernet_keys(name: str, *, keep_in: Path | None) -> list[str]:
    """Return the keys for secrets at rest: the first encrypts, all decrypt."""
    value = secret(name, keep_in=keep_in, make=lambda: Fernet.generate_key().decode())
    keys = [key.strip() for key in value.split(",") if key.strip()]
    for key in keys:
        try:
            Fernet(key)
        except ValueError:
            raise Misconfigured(f"{name} must list keys of 32 bytes in URL-safe base64") from None
    return keys


def random_secret() -> str:
    """Return a random secret of 64 characters."""
    return secrets.token_urlsafe(48)
