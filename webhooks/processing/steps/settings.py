"""Check and compile the steps of a handler: ``{"enrich": {...}, "transform": {...}}`` beside its name and pattern.

Both read the event with ``body``, another name of ``data`` (that of EventBridge Pipes), by paths such as
``<$.body.id>`` in place of names; a transform also has the response of the enrichment as ``enrichment``. What each
sends may be a JSONata expression in place of a template: ``{"jsonata": "{'id': body.id}"}``. Credentials are not here:
a value of a header names one of the source's (``<credentials.token>``), which are encrypted and never shown.
"""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from webhooks.kit.caches.shared_cache import SharedCache
from webhooks.kit.jsonata.transformer import JsonataTransformer, check_expression
from webhooks.wire.addresses.parsed_url import ForbiddenAddress, parse
from webhooks.wire.custom_headers import ForbiddenHeader, check
from webhooks.wire.errors import unknown_member
from webhooks.wire.transform import BodyTransformer, InvalidTransformer, Transformer

METHODS = ("GET", "POST", "PUT", "PATCH")
MAX_URL = 2048  # characters
MAX_SECONDS = 30  # of a call with its retries: the claim of the receipt is longer
MAX_RETRIES = 3
MAX_CONCURRENCY = 64
MAX_COMPILED_BYTES = 16 * 1024**2  # of all steps in a process, about
MAX_OWNER_BYTES = 4 * 1024**2  # of those of one tenant, or of one source that no tenant owns
BYTES_PER_CHARACTER = 20  # of compiled steps, about

CREDENTIAL = re.compile(r"<credentials\.([A-Za-z0-9_-]{1,64})>")
_PATH = re.compile(r"<(\$[^<>\s\"]*)>")
_AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_ENRICH = {"url", "method", "headers", "body", "jsonata", "timeout_seconds", "retries", "max_concurrency"}
_JSON = "application/json"
_TRANSFORM = {"template", "input_paths", "type"}
_JSONATA = {"jsonata", "type"}


class InvalidSteps(ValueError):
    """Steps that cannot work; the message begins with the step and its member: ``enrich.url``."""


@dataclass(frozen=True, slots=True)
class Enrichment:
    """A call whose response is added to the event."""

    url: str | Transformer
    """A URL, or a template of one."""
    method: str
    headers: Mapping[str, str]
    body: BodyTransformer | None
    """The body; None: the event as JSON, or nothing for a GET."""
    timeout_seconds: float
    retries: int
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class Transform:
    """The data of the published event in place of the message, and perhaps another type."""

    transformer: BodyTransformer
    type: str


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of one handler of a source."""

    enrichment: Enrichment | None = None
    transform: Transform | None = None


_compiled = SharedCache[Steps](MAX_COMPILED_BYTES, owner_size=MAX_OWNER_BYTES)


def has_steps(choice: Mapping[str, Any]) -> bool:
    """Return whether a handler of a source has steps."""
    return bool(choice.get("enrich") or choice.get("transform"))


def has_enrichment(handlers: Any) -> bool:
    """Return whether one of these handlers has an enrichment."""
    return any(choice.get("enrich") for choice in handlers)


def steps_of(choice: Mapping[str, Any], owner: Hashable) -> Steps:
    """Return the compiled steps of a handler, from a cache in which each owner has a share. Raises InvalidSteps."""
    text = orjson.dumps([choice.get("enrich"), choice.get("transform")])
    share = _compiled.share(owner)
    known = share.get(text)
    if known is None:
        known = read_steps(choice, owner)
        share.put(text, known, BYTES_PER_CHARACTER * len(text))
    return known


def read_steps(choice: Mapping[str, Any], owner: Hashable = None) -> Steps:
    """Check and compile the steps of a handler, without parsing expressions. Raises InvalidSteps."""
    enrich, transform = choice.get("enrich"), choice.get("transform")
    return Steps(
        None if enrich is None else _enrichment(enrich, owner),
        None if transform is None else _transform(transform, owner),
    )


def check_steps(choice: Mapping[str, Any]) -> None:
    """Raise InvalidSteps unless the steps of a handler compile, and EvaluatorUnavailable."""
    read_steps(choice)
    for step in ("enrich", "transform"):
        expression = (choice.get(step) or {}).get("jsonata")
        if expression is not None:
            try:
                check_expression(expression)
            except InvalidTransformer as error:
                raise InvalidSteps(f"{step}.jsonata: {error.reason}") from error


def url_to_check(choice: Mapping[str, Any]) -> str:
    """Return the URL of an enrichment with something in place of its paths, to check its address."""
    return _PATH.sub("x", choice["enrich"]["url"])


def credentials_named(handlers: Any) -> set[str]:
    """Return the names of the credentials that the headers of enrichments have."""
    headers = [(choice.get("enrich") or {}).get("headers") or {} for choice in handlers]
    return {name for it in headers for value in it.values() for name in CREDENTIAL.findall(value)}


def _enrichment(written: Any, owner: Hashable) -> Enrichment:
    _check_members("enrich", written, _ENRICH, {"url"})
    method = written.get("method", "POST")
    if method not in METHODS:
        raise InvalidSteps(f"enrich.method must be one of: {', '.join(METHODS)}.")
    return Enrichment(
        url=_url(written["url"]),
        method=method,
        headers=_headers(_given(written, "headers", {})),
        body=_call_body(written, method, owner),
        timeout_seconds=_number("enrich.timeout_seconds", written.get("timeout_seconds", 5), 1, MAX_SECONDS),
        retries=_number("enrich.retries", written.get("retries", 2), 0, MAX_RETRIES),
        max_concurrency=_number("enrich.max_concurrency", written.get("max_concurrency", 8), 1, MAX_CONCURRENCY),
    )


def _call_body(written: Any, method: str, owner: Hashable) -> BodyTransformer | None:
    """Return what makes the body of the call: its template or its expression; None if it has neither."""
    given = [name for name in ("body", "jsonata") if written.get(name) is not None]
    if not given:
        return None
    if method == "GET":
        raise InvalidSteps(f"enrich.{given[0]}: a GET has no body.")
    if len(given) > 1:
        raise InvalidSteps("enrich.jsonata: give body or jsonata, not both.")
    if given == ["jsonata"]:
        return _expression("enrich.jsonata", written["jsonata"], owner, _JSON)
    return _template("enrich.body", {}, written["body"])


def _url(text: Any) -> str | Transformer:
    if not isinstance(text, str) or not 0 < len(text) <= MAX_URL:
        raise InvalidSteps(f"enrich.url must be a URL of at most {MAX_URL} characters.")
    authority = _AUTHORITY.match(text)
    if authority is None or "<" in authority[0]:
        raise InvalidSteps("enrich.url must begin with https:// and a host; paths stand behind the host.")
    try:
        parse(_PATH.sub("x", text), allow_http=True)
    except ForbiddenAddress as error:
        raise InvalidSteps(f"enrich.url: {error}") from error
    return _template("enrich.url", {}, text) if _PATH.search(text) else text


def _headers(written: Any) -> dict[str, str]:
    if not isinstance(written, dict) or not all(isinstance(it, str) for it in written.values()):
        raise InvalidSteps("enrich.headers must be an object of strings.")
    try:
        check({name: CREDENTIAL.sub("x", value) for name, value in written.items()})
    except ForbiddenHeader as error:
        raise InvalidSteps(f"enrich.headers: {error}") from error
    return dict(written)


def _transform(written: Any, owner: Hashable) -> Transform:
    is_jsonata = isinstance(written, dict) and "jsonata" in written
    if is_jsonata:
        _check_members("transform", written, _JSONATA, set())
    else:
        _check_members("transform", written, _TRANSFORM, {"template"})
    kind = written.get("type", "")
    if not isinstance(kind, str) or len(kind) > 256 or not all("!" <= it <= "~" for it in kind):
        raise InvalidSteps("transform.type must be at most 256 printable ASCII characters without spaces.")
    if is_jsonata:
        return Transform(_expression("transform.jsonata", written["jsonata"], owner), kind)
    return Transform(_template("transform.template", _given(written, "input_paths", {}), written["template"]), kind)


def _expression(path: str, written: Any, owner: Hashable, content_type: str | None = None) -> JsonataTransformer:
    try:
        return JsonataTransformer(written, content_type, owner)
    except InvalidTransformer as error:
        raise InvalidSteps(f"{path}: {error.reason}") from error


def _template(path: str, input_paths: Any, template: Any) -> Transformer:
    try:
        return Transformer(input_paths, template)
    except InvalidTransformer as error:
        place = "transform.input_paths" if error.path.startswith("/input_paths") else path
        raise InvalidSteps(f"{place}: {error.reason}") from error


def _given(written: Mapping[str, Any], name: str, default: Any) -> Any:
    """Return a member, or the default if it is null or missing."""
    value = written.get(name)
    return default if value is None else value


def _check_members(step: str, written: Any, known: set[str], required: set[str]) -> None:
    if not isinstance(written, dict):
        raise InvalidSteps(f"{step} must be an object.")
    _, reason = unknown_member(written, known)
    if reason:
        raise InvalidSteps(f"{step}: {reason}")
    for name in sorted(required - written.keys()):
        raise InvalidSteps(f"{step}.{name} is required.")


def _number(path: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidSteps(f"{path} must be an integer from {least} to {most}.")
    return value
