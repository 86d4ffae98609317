"""Check the ``auth`` of an endpoint, and turn it into the header that is sent in addition to the signature.

    none      nothing
    basic     username, password                     Authorization: Basic (RFC 7617)
    bearer    token                                  Authorization: Bearer (RFC 6750)
    header    name, value                            a custom header, such as an API key
    body      name, value                            a member at the top of a body that is a JSON object
    oauth2    token_url, client_id, client_secret,   a bearer token, requested with client credentials
              scope, audience, client_auth           (RFC 6749, section 4.4): see oauth_tokens
    aws_sigv4 access_key_id, secret_access_key,      Authorization: AWS4-HMAC-SHA256, made for each attempt:
              region, service, session_token         see webhooks.wire.signing.aws_sigv4

A client certificate can be combined with any of them: see certificates.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from subscriptions.endpoints.http.url_check import checked_url
from subscriptions.errors import Invalid
from webhooks.wire.custom_headers import ForbiddenHeader, check
from webhooks.wire.errors import did_you_mean
from webhooks.wire.signing.aws_sigv4 import AUTHORIZATION, DATE, PAYLOAD_HASH, SESSION_TOKEN, AwsCredentials

TYPES = ("none", "basic", "bearer", "header", "body", "oauth2", "aws_sigv4")
NONE, BASIC, BEARER, HEADER, BODY, OAUTH2, AWS_SIGV4 = TYPES

REQUIRED = {
    NONE: set[str](),
    BASIC: {"username", "password"},
    BEARER: {"token"},
    HEADER: {"name", "value"},
    BODY: {"name", "value"},
    OAUTH2: {"token_url", "client_id", "client_secret"},
    AWS_SIGV4: {"access_key_id", "secret_access_key", "region"},
}
OPTIONAL = {OAUTH2: {"scope", "audience", "client_auth"}, AWS_SIGV4: {"service", "session_token"}}
SECRET = {"password", "token", "value", "client_secret", "secret_access_key", "session_token"}
MAY_BE_EMPTY = {(BASIC, "password")}  # RFC 7617, section 2: APIs take a key as the user name alone
CLIENT_AUTH = ("basic", "body")  # how the client authenticates to the token server: RFC 6749, section 2.3.1
MAX_MEMBER = 2048  # characters
MAX_NAME = 40  # characters of an unknown name that an error repeats
MAX_SESSION_TOKEN = 4096  # characters; AWS states no limit, and common ones have up to 2,000

_TOKEN = re.compile(r"[!-~]+")
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")  # RFC 6749, section 3.3
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_AWS_NAME = re.compile(r"[a-z0-9-]{1,64}")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Hold the parameters of a token request."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    audience: str = ""
    client_auth: str = "basic"


def check_auth(auth: Any) -> None:
    """Raise Invalid for ``auth`` unless it is an object with a ``type`` and the members of that type."""
    if not isinstance(auth, Mapping) or auth.get("type") not in TYPES:
        raise _invalid(f"Must be an object whose type is one of {', '.join(TYPES)}.")
    kind = auth["type"]
    members = set(auth) - {"type"}
    known = REQUIRED[kind] | OPTIONAL.get(kind, set())
    if unknown := members - known:
        name = min(unknown, key=str)
        meant = did_you_mean(name, known - members)
        raise _invalid(f"{kind} has no field {name[:MAX_NAME]!r}{f'; {meant}' if meant else '.'}", name)
    if missing := sorted(REQUIRED[kind] - members):
        raise _invalid(f"{kind} requires {', '.join(missing)}.", missing[0])
    for name in members:
        if (kind, name) in MAY_BE_EMPTY and auth[name] == "":
            continue
        longest = MAX_SESSION_TOKEN if name == "session_token" else MAX_MEMBER
        if not isinstance(auth[name], str) or len(auth[name]) > longest or not _PRINTABLE.fullmatch(auth[name]):
            raise _invalid(f"{name}: must be a string of 1 to {longest} characters, without control characters.", name)
    if kind in _CHECKS:
        _CHECKS[kind](auth)


def checked_auth(auth: Mapping[str, str], tenant_id: UUID) -> Mapping[str, str]:
    """Return ``auth`` with the URL of its token server in the form in which it is called.

    Raises Invalid for ``auth`` if that may not be called. Suspends the request as ``checked_url`` does.
    """
    if auth.get("type") != OAUTH2:
        return auth
    try:
        return {**auth, "token_url": checked_url(auth["token_url"], tenant_id)}
    except Invalid as error:
        raise _invalid(f"token_url: {error.message}", "token_url") from None


def public_auth(auth: Mapping[str, str]) -> dict[str, str]:
    """Return the members that may be shown: all but secrets."""
    return {name: text for name, text in auth.items() if name not in SECRET}


def auth_header(auth: Mapping[str, str]) -> dict[str, str]:
    """Return the header for basic, bearer and header; empty for those that differ by attempt, and none."""
    kind = auth.get("type", NONE)
    if kind == BASIC:
        pair = f"{auth['username']}:{auth['password']}".encode()
        return {"authorization": f"Basic {b64encode(pair).decode()}"}
    if kind == BEARER:
        return {"authorization": f"Bearer {auth['token']}"}
    return {auth["name"].lower(): auth["value"]} if kind == HEADER else {}


def body_member(auth: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the name and value of the member that is added to each body; None unless the type is body."""
    return (auth["name"], auth["value"]) if auth.get("type") == BODY else None


def own_headers(auth: Mapping[str, str]) -> set[str]:
    """Return the names, in lower case, of the headers that an attempt gets by ``auth``."""
    by_attempt = {OAUTH2: {AUTHORIZATION}, AWS_SIGV4: {AUTHORIZATION, DATE, PAYLOAD_HASH, SESSION_TOKEN}}
    return by_attempt.get(auth.get("type", NONE), set()) | auth_header(auth).keys()


def aws_credentials(auth: Mapping[str, str]) -> AwsCredentials | None:
    """Return the access key and its scope; None unless the type is aws_sigv4."""
    if auth.get("type") != AWS_SIGV4:
        return None
    return AwsCredentials(**{name: text for name, text in auth.items() if name != "type"})


def client_credentials(auth: Mapping[str, str]) -> ClientCredentials | None:
    """Return the parameters of the token request; None unless the type is oauth2."""
    if auth.get("type") != OAUTH2:
        return None
    return ClientCredentials(**{name: text for name, text in auth.items() if name != "type"})


def _check_basic(auth: Mapping[str, str]) -> None:
    if ":" in auth["username"]:
        raise _invalid("username: must not contain a colon (RFC 7617).", "username")
    if len(auth["username"]) + len(auth["password"]) > MAX_MEMBER:
        raise _invalid(f"username and password: must be at most {MAX_MEMBER} characters together.")


def _check_bearer(auth: Mapping[str, str]) -> None:
    if not _TOKEN.fullmatch(auth["token"]):
        raise _invalid("token: must be printable ASCII without spaces.", "token")


def _check_header(auth: Mapping[str, str]) -> None:
    try:
        check({auth["name"]: auth["value"]})
    except ForbiddenHeader as error:
        raise _invalid(str(error).encode("utf-8", "replace").decode()) from None


def _check_oauth2(auth: Mapping[str, str]) -> None:
    if auth.get("client_auth", CLIENT_AUTH[0]) not in CLIENT_AUTH:
        raise _invalid(f"client_auth: must be one of {', '.join(CLIENT_AUTH)}.", "client_auth")
    if not _SCOPE.fullmatch(auth.get("scope", "x")):
        rule = "must be words of printable ASCII, separated by single spaces (RFC 6749, section 3.3)."
        raise _invalid(f"scope: {rule}", "scope")


def _check_aws_sigv4(auth: Mapping[str, str]) -> None:
    if not _ACCESS_KEY_ID.fullmatch(auth["access_key_id"]):
        raise _invalid("access_key_id: must be at most 128 letters and digits, such as AKIA...", "access_key_id")
    for name in ("secret_access_key", "session_token"):
        if not _TOKEN.fullmatch(auth.get(name, "x")):
            raise _invalid(f"{name}: must be printable ASCII without spaces.", name)
    for name, example in (("region", "eu-central-1"), ("service", "lambda")):
        if not _AWS_NAME.fullmatch(auth.get(name, example)):
            raise _invalid(f"{name}: must be lower-case letters, digits and hyphens, such as {example}.", name)


_CHECKS: dict[str, Callable[[Mapping[str, str]], None]] = {
    BASIC: _check_basic,
    BEARER: _check_bearer,
    HEADER: _check_header,
    OAUTH2: _check_oauth2,
    AWS_SIGV4: _check_aws_sigv4,
}


def _invalid(message: str, member: str = "") -> Invalid:
    """Return the error; ``member`` is the member at fault, to which the pointer of the error leads."""
    escaped = member[:MAX_NAME].replace("~", "~0").replace("/", "~1")  # RFC 6901, section 3
    return Invalid("auth", message, f"/{escaped}" if member else "")
