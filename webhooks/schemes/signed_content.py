"""The signed content as a template: the body, parts of the message around it, or members of the body.

    {body}                      the raw body, at most once
    {id} {timestamp}            as the options say where they are
    {url} {path} {query} {host} {method}        of the request as the sender made it
    {header:Name} {query:name}  a header, a parameter
    {headers:Name}              the headers that it lists, itself and the time among them: name:value;name:value
    {body:/json/pointer} {form:name}            a member of a JSON body, a field of a form; with ? at its end it may
                                be missing, and is empty then
    {form_sorted}               the names and values of all fields of a form, sorted by name, without separators
    {secret}                    the secret itself: the signature is then a plain digest, not an HMAC

The content must be unambiguous, or a forger could move the border between two parts. So a separator, or the time, must
follow the id, and the id must not contain the separator.
"""

from itertools import pairwise

from webhooks.schemes.scheme import VerificationContext
from webhooks.wire import placeholders
from webhooks.wire.errors import BadOptions, MalformedHeader, NoMatchingSignature
from webhooks.wire.message_values import MessageValues, is_path
from webhooks.wire.placeholders import Part, Placeholder

_REQUEST = ("url", "path", "query", "host", "method")
_PLAIN = ("body", "id", "timestamp", "form_sorted", "secret", *_REQUEST)
_WITH_ARGUMENT = ("header", "headers", "query", "body", "form")
_IN_BODY = ("form_sorted", "form")


class SignedContent:
    """A template of the signed content. Raises BadOptions."""

    def __init__(self, signed: str) -> None:
        parts = placeholders.parse(signed)
        given = [part for part in parts if isinstance(part, Placeholder)]
        for part in given:
            _check_placeholder(part)
        whole = [part for part in given if part == Placeholder("body")]
        if len(whole) > 1 or not any(part.name in (*_WITH_ARGUMENT, *_IN_BODY) for part in given):
            raise BadOptions("signed must contain {body} once, or members of the body")
        if any(here == Placeholder("id") and not _ends_id(after) for here, after in pairwise([*parts, ""])):
            raise BadOptions("signed must have a separator after {id}")
        self.has_id, self.has_timestamp = Placeholder("id") in given, Placeholder("timestamp") in given
        self.has_secret, self.has_body = Placeholder("secret") in given, bool(whole)
        self.names = {part.name for part in given}
        self.members = [_path(part) for part in given if part.argument and part.name != "headers"]
        self.header_lists = [part.argument.lower() for part in given if part.name == "headers"]
        self.reads_body = any(part.name in _IN_BODY or (part.name == "body" and part.argument) for part in given)
        middle = parts.index(whole[0]) if whole else len(parts)
        self._head, self._tail = parts[:middle], parts[middle + 1 :]

    def around(
        self, context: VerificationContext, values: MessageValues, message_id: str, timestamp: str, secret: str = ""
    ) -> tuple[bytes, bytes]:
        """Return the signed bytes before and after the body; without {body} all of them come before.

        Raises SignatureError.
        """
        special = {"timestamp": timestamp, "secret": secret, "method": context.method}
        head, tail = (
            b"".join(
                _filled(part, after, context, values, message_id, special) for part, after in pairwise([*parts, ""])
            )
            for parts in (self._head, self._tail)
        )
        return head, tail


def _check_placeholder(part: Placeholder) -> None:
    if part.argument:
        path = _path(part).removesuffix("?")
        if part.name not in _WITH_ARGUMENT or not is_path(path):
            raise BadOptions(f"signed must not contain {{{part.name}:{part.argument}}}")
    elif part.name not in _PLAIN:
        raise BadOptions(f"signed must not contain {{{part.name}}}")


def _ends_id(after: Part) -> bool:
    return after == Placeholder("timestamp") or (isinstance(after, str) and after != "")


def _filled(
    part: Part,
    after: Part,
    context: VerificationContext,
    values: MessageValues,
    message_id: str,
    special: dict[str, str],
) -> bytes:
    if isinstance(part, str):
        return _bytes(part)
    if part.name == "headers":
        return _bytes(_listed_headers(part.argument.lower(), values))
    if part.argument:
        return _bytes(_member(part, values))
    if part.name == "id":
        return _id(message_id, after)
    if part.name in special:
        return _bytes(special[part.name])
    if part.name == "form_sorted":
        return b"".join(name + value for name, value in sorted(values.form_fields))
    return _of_url(part.name, context)


def _member(part: Placeholder, values: MessageValues) -> str:
    path = _path(part).removesuffix("?")
    value = values.find(path)
    if value is None and not part.argument.endswith("?"):
        raise NoMatchingSignature(f"the message has no {path}")
    return value or ""


def _path(part: Placeholder) -> str:
    name = "header" if part.name == "headers" else part.name
    return f"{name}:{part.argument}"


def listed_names(header: str, values: MessageValues) -> list[str]:
    """Return the names in a header that lists headers, in lower case; the header must list itself.

    Else a forger could leave a header out of the list that the sender signed. Raises NoMatchingSignature.
    """
    names = (values.find(f"header:{header}") or "").lower().split(",")
    if header not in names:
        raise NoMatchingSignature(f"the message has no header:{header} that lists itself")
    return names


def _listed_headers(header: str, values: MessageValues) -> str:
    named = {name: values.find(f"header:{name}") for name in listed_names(header, values)}
    missing = [name for name, value in named.items() if value is None]
    if missing:
        raise NoMatchingSignature(f"the message has no header:{missing[0][:64]}")
    return ";".join(f"{name}:{value}" for name, value in named.items())


def _of_url(name: str, context: VerificationContext) -> bytes:
    if name == "url":
        return context.called_url()
    parts = context.url_parts()
    return _bytes({"path": parts.path, "query": parts.query, "host": parts.netloc}[name])


def _id(message_id: str, after: Part) -> bytes:
    # The part of the id after a separator in it could be read as the timestamp or the body.
    if not message_id.isascii() or (isinstance(after, str) and after and after in message_id):
        raise MalformedHeader("id")
    return message_id.encode()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
