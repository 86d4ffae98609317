"""Parse a URL once, strictly, into a ParsedUrl, which is all that is used from then on.

Attacks on address checks use two parsers that read one text differently. So nothing is repaired or guessed: text that
two parsers could read differently is rejected (the grammar is RFC 3986; the WHATWG URL standard says what browsers and
curl make of other text). Host names are ASCII after IDNA (UTS 46, non-transitional).

Parsing does not resolve. A name or port that is only used inside private networks is marked (`ParsedUrl.reserved`):
whether it may be called depends on its addresses, see `guard`.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Literal
from unicodedata import category
from urllib.parse import quote

import idna

from webhooks.wire.addresses.ports import DEFAULT_PORTS, is_service

Reason = Literal[
    "syntax", "character", "scheme", "userinfo", "host", "spelling", "port", "name", "address", "unresolved"
]

MAX_URL = 8000  # characters; the minimum that RFC 9110 section 4.1 recommends to support
MAX_HOST = 253  # octets, RFC 1035 section 2.3.4

# Never public: RFC 6761, 6762 (and its appendix G), 7686, 8375, 9476, ICANN's .internal; then the suffixes
# of clusters and container engines.
INTERNAL_SUFFIXES = frozenset(
    {
        *("localhost", "test", "invalid", "local", "onion", "home.arpa", "alt", "internal"),
        *("intranet", "private", "corp", "home", "lan", "localdomain", "localdomain6"),
        *("svc", "pod", "cluster", "consul", "nomad", "docker", "kube", "mesos"),
    }
)

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?]*)(.*)")
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([^:]*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_DOTTED_QUAD = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
_KEPT_IN_PATH = "/?:@!$&'()*+,;=[]%-._~"


NOT_ALLOWED = (
    "This address may not be called: it is private or reserved, or its name has no address. The operator can allow "
    "networks (WAYPOST_ALLOW_NETWORKS)."
)


class ForbiddenAddress(ValueError):
    """The address may not be called.

    `reason` is for logs and operators. The message is for the author of the URL: it explains what is wrong in the URL
    itself, and is the same for everything that depends on the resolved addresses, so that a tenant cannot map the
    internal network by trying addresses.
    """

    def __init__(self, reason: Reason, message: str = NOT_ALLOWED) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class ParsedUrl:
    """A URL in its parts, normalized."""

    scheme: str
    """`https` or `http`."""
    host: str
    """ASCII, lower case, without a final dot; an IPv6 address without brackets."""
    port: int
    path: str
    """Path and query as sent: percent-encoding untouched, everything else outside RFC 3986 encoded."""
    is_literal: bool
    """The host is an IP address, so it is not resolved."""
    reserved: Literal["name", "port"] | None
    """Why only addresses inside the operator's own networks may be called; None for other URLs."""

    @property
    def authority(self) -> str:
        """Return host and port as in the Host header (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Return scheme, host and port."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """Return the normalized URL."""
        return self.origin + self.path


def parse(url: str, *, allow_http: bool = False) -> ParsedUrl:
    """Parse a URL. Raises ForbiddenAddress for text that is not an unambiguous https (or http) URL."""
    _check_characters(url)
    found = _URL.fullmatch(url)
    if not found:
        raise ForbiddenAddress("syntax", "Must be an absolute URL that begins with https://")
    scheme, authority, path = found[1].lower(), found[2], found[3]
    if scheme not in DEFAULT_PORTS:
        raise ForbiddenAddress("scheme", "Must begin with https://")
    if scheme != "https" and not allow_http:
        raise ForbiddenAddress(
            "scheme", "Only https addresses may be called, unless the operator allows http (WAYPOST_ALLOW_HTTP)."
        )
    raw_host, port = _split(authority, DEFAULT_PORTS[scheme])
    host, is_literal = _host(raw_host)
    if port < 1024 and port != 443 and not (port == 80 and allow_http):
        raise ForbiddenAddress("port", f"Port {port} may not be called.")
    reserved: Literal["name", "port"] | None = "port" if is_service(port) else None
    if not is_literal and _is_internal(host):
        reserved = "name"
    return ParsedUrl(scheme, host, port, _path(path), is_literal, reserved)


def _check_characters(url: str) -> None:
    if len(url) > MAX_URL:
        raise ForbiddenAddress("syntax", f"Must have at most {MAX_URL} characters.")
    if any(category(character) in _FORBIDDEN_CATEGORIES for character in url):
        raise ForbiddenAddress("character", "Must not contain spaces, control characters or invisible characters.")
    if "\\" in url:
        raise ForbiddenAddress("character", "Must not contain a backslash.")
    if "#" in url:
        raise ForbiddenAddress("character", "Must not contain a fragment (#), which is never sent.")


def _split(authority: str, default_port: int) -> tuple[str, int]:
    if "@" in authority:
        raise ForbiddenAddress("userinfo", "Must not contain a user name; put credentials into authentication.")
    found = _AUTHORITY.fullmatch(authority)
    if not found:
        raise ForbiddenAddress("syntax", "Must have a host and at most one port.")
    host, port = found[1], found[2]
    if port is None:
        return host, default_port
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise ForbiddenAddress("port", "The port must be a number from 1 to 65535.")
    return host, int(port)


def _host(raw: str) -> tuple[str, bool]:
    """Return the normalized host, and whether it is an IP address."""
    if raw.startswith("["):
        return _ipv6(raw[1:-1]), True
    name = _ascii(raw).removesuffix(".")
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # No top-level domain is a number: parsers would read an IPv4 address, in different ways.
        if not _DOTTED_QUAD.fullmatch(raw):
            raise ForbiddenAddress("spelling", "An IPv4 address must be four decimal numbers.")
        return raw, True
    if len(name) > MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise ForbiddenAddress("host", "The host must be a valid host name.")
    return name, False


def _ipv6(text: str) -> str:
    if "%" in text:
        raise ForbiddenAddress("host", "An IPv6 address must not have a zone.")
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise ForbiddenAddress("host", "The host must be a valid IPv6 address.") from None


def _ascii(raw: str) -> str:
    """Return the host after IDNA. The length is checked first: the idna package is slow on long input."""
    if not raw or len(raw) > MAX_HOST + 1:
        raise ForbiddenAddress("host", "The host must be a valid host name.")
    if raw.isascii() and "xn--" not in raw.lower():
        return raw.lower()
    try:
        if any(_is_mapped_to_ascii(character) for character in raw):
            raise ForbiddenAddress("host", "The host must not contain characters that are mapped to ASCII.")
        return idna.encode(raw, uts46=True, std3_rules=True, transitional=False).decode("ascii")
    except UnicodeError:
        raise ForbiddenAddress("host", "The host must be a valid internationalized host name.") from None


def _is_mapped_to_ascii(character: str) -> bool:
    """Return whether UTS 46 drops the character or maps it to ASCII: full-width digits and dots, circled numbers."""
    return not character.isascii() and idna.uts46_remap(character, std3_rules=False).isascii()


def _is_internal(name: str) -> bool:
    labels = name.split(".")
    tails = {".".join(labels[start:]) for start in range(len(labels))}
    return len(labels) == 1 or not INTERNAL_SUFFIXES.isdisjoint(tails)


def _path(rest: str) -> str:
    path = rest if rest.startswith("/") else "/" + rest
    return quote(path, safe=_KEPT_IN_PATH)
