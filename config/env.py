"""Read settings from the environment; each function names the variable when its value is invalid.

An empty variable counts as not set. `NAME_FILE` may name a file that contains the value of `NAME`, as Docker and
Kubernetes provide secrets. An error never repeats a value, which may be a secret.
"""

import base64
import contextlib
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

MIN_SIGNING_KEY = 32  # bytes
FERNET_KEY = 32  # bytes; the library is not loaded here, since the keepers of embedded servers read settings too
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


class Misconfigured(ImproperlyConfigured):
    """An environment variable is missing or invalid."""


def read(name: str) -> str:
    """Return the value of a variable, or the content of the file that NAME_FILE names; empty if neither is set."""
    value, path = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return value
    if value:
        raise Misconfigured(f"set {name} or {name}_FILE, not both")
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Misconfigured(f"{name}_FILE: cannot read {path}: {reason}") from None


def text(name: str, default: str | None = None) -> str:
    """Return the text of a variable. Raises Misconfigured if it is not set and there is no default."""
    value = read(name) or default
    if value is None:
        raise Misconfigured(f"{name} must be set")
    return value


def choice(name: str, options: tuple[str, ...], default: str) -> str:
    """Return the text of a variable, one of ``options``. Raises Misconfigured."""
    value = text(name, default)
    if value not in options:
        raise Misconfigured(f"{name} must be one of: {', '.join(options)}")
    return value


def flag(name: str, default: bool) -> bool:
    """Return a boolean: 1, true, yes, on, or 0, false, no, off. Raises Misconfigured."""
    value = text(name, str(default)).lower()
    if value not in _TRUE | _FALSE:
        raise Misconfigured(f"{name} must be true or false")
    return value in _TRUE


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31 - 1) -> int:
    """Return an integer between ``minimum`` and ``maximum``, both included. Raises Misconfigured."""
    try:
        value = int(text(name, str(default)))
    except ValueError:
        raise Misconfigured(f"{name} must be an integer") from None
    if not minimum <= value <= maximum:
        raise Misconfigured(f"{name} must be between {minimum} and {maximum}")
    return value


def ratio(name: str, default: float) -> float:
    """Return a number from 0 to 1. Raises Misconfigured."""
    try:
        value = float(text(name, str(default)))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise Misconfigured(f"{name} must be a number from 0 to 1")
    return value


def words(name: str, default: list[str] | None = None) -> list[str]:
    """Return the items of a comma-separated list, stripped of blanks; empty items are left out."""
    value = read(name)
    if not value:
        return list(default or [])
    return [word.strip() for word in value.split(",") if word.strip()]


def dotted_paths(name: str) -> dict[str, str]:
    """Return dotted paths by name from a comma-separated list of `name=dotted.path`; the default name is the path."""
    found = {}
    for word in words(name):
        key, _, path = word.rpartition("=")
        if "." not in path or not all(part.isidentifier() for part in path.strip().split(".")):
            raise Misconfigured(f"{name} must list functions such as book=shop.orders.book or shop.orders.book")
        found[key.strip() or path.strip()] = path.strip()
    return found


def app_names(name: str) -> list[str]:
    """Return the importable Django apps of a comma-separated list; one may be named by its configuration too."""
    found = words(name)
    for word in found:
        parts = word.split(".")
        if not all(part.isidentifier() for part in parts) or find_spec(parts[0]) is None:
            raise Misconfigured(
                f"{name} must list Django apps that can be imported, such as shop or shop.apps.ShopConfig; "
                "PYTHONPATH has to contain their directory"
            )
    return found


def networks(name: str) -> list[str]:
    """Return a comma-separated list of IPv4 and IPv6 networks in CIDR notation; a single address may be given too."""
    found = []
    for word in words(name):
        try:
            found.append(str(ipaddress.ip_network(word)))
        except ValueError:
            raise Misconfigured(f"{name} must list networks such as 127.0.0.0/8 or ::1/128") from None
    return found


def origins(name: str) -> list[str]:
    """Return a comma-separated list of origins of web pages as browsers write them: scheme, host, perhaps a port."""
    found = words(name)
    for word in found:
        parts = urlsplit(word)
        if parts.scheme not in ("http", "https") or not parts.hostname or word != f"{parts.scheme}://{parts.netloc}":
            raise Misconfigured(f"{name} must list origins such as https://app.example.com or http://localhost:3000")
        if word != word.lower() or "@" in parts.netloc or "*" in word:
            raise Misconfigured(f"{name} must list origins in lower case, without user names and wildcards")
    return found


def name_servers(name: str) -> list[str]:
    """Return a comma-separated list of IP addresses of DNS servers, each with or without a port."""
    found = words(name)
    for word in found:
        has_port = word.count(":") == 1 or "]:" in word
        host, port = word.rsplit(":", 1) if has_port else (word, "53")
        try:
            ipaddress.ip_address(host.strip("[]"))
            usable = 0 < int(port) < 2**16
        except ValueError:
            usable = False
        if not usable:
            raise Misconfigured(f"{name} must list IP addresses such as 10.0.0.2, 10.0.0.2:5353 or [2001:db8::2]:53")
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


def optional_url(name: str, schemes: tuple[str, ...]) -> str:
    """Return an absolute URL with one of ``schemes``; empty if none is set."""
    return url(name, schemes) if text(name, "") else ""


def secret(name: str, *, keep_in: Path | None, make: Callable[[], str]) -> str:
    """Return a secret. If the variable is not set, return the content of the file ``keep_in``, created with ``make``.

    Without ``keep_in``, as in production, the variable must be set.
    """
    value = read(name)
    if value:
        return value
    if keep_in is None:
        raise Misconfigured(f"{name} must be set when WAYPOST_ENV=production")
    return read_or_create(keep_in, make)


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the content of a file; create it with the result of ``make`` if it is missing, readable by its owner only.

    Several processes may call this at the same time: one of them creates the file, and all return its content.
    """
    try:
        if not path.exists():
            create_directory(path.parent)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-") as draft:
                draft.write(make() + "\n")  # a named temporary file has mode 0600
                draft.flush()
                os.fsync(draft.fileno())
                with contextlib.suppress(FileExistsError):
                    os.link(draft.name, path)
        return path.read_text().strip()
    except OSError as error:
        raise Misconfigured(f"WAYPOST_DATA: cannot store {path}: {error.strerror}") from None


def create_directory(path: Path) -> Path:
    """Create a directory, unless it exists, with mode 0711: other users can open paths below it, but not list it.

    If the platform runs as root, the embedded servers run as another user and must reach their files below it.
    """
    try:
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"WAYPOST_DATA: cannot create {path}: {error.strerror}") from None
    return path


def fernet_keys(name: str, *, keep_in: Path | None) -> list[str]:
    """Return the keys that encrypt secrets at rest: the first key encrypts, each key decrypts."""
    value = secret(name, keep_in=keep_in, make=lambda: base64.urlsafe_b64encode(os.urandom(FERNET_KEY)).decode())
    keys = [key.strip() for key in value.split(",") if key.strip()]
    if not all(map(_is_fernet_key, keys)):
        raise Misconfigured(f"{name} must list keys of {FERNET_KEY} bytes in URL-safe base64")
    return keys


def _is_fernet_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text)) == FERNET_KEY
    except ValueError:
        return False


def signing_keys(name: str) -> list[str]:
    """Return keys of HMAC-SHA-256, each of which verifies: at least 32 bytes (RFC 7518, section 3.2)."""
    found = words(name)
    if any(len(key.encode()) < MIN_SIGNING_KEY for key in found):
        raise Misconfigured(f"{name} must list keys of at least {MIN_SIGNING_KEY} bytes, separated by commas")
    return found


def random_secret() -> str:
    """Return a random secret of 64 characters."""
    return secrets.token_urlsafe(48)
