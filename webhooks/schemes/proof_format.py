"""The text of a signature header as a format: `sha256={signature}`, or `t={timestamp},v1={signature}` in any order.

    {signature}     the signature; may come several times, and then one of them must match
    {timestamp}     the signed time
    {id} {key_id}   the signed message id; the name of the key
    {algorithm}     the name of the digest, one of those that the options allow
    {any}           text that is not used

With a separator the value is a list. An element belongs to the item of the format whose text it begins with; items
without text are matched by their position, and the last of them matches every further element. Elements that match no
item are ignored, as versions of a signature that is not configured must be.
"""

import re
from collections.abc import Mapping

from webhooks.schemes.signature_algorithms import MAX_SIGNATURES
from webhooks.wire import placeholders
from webhooks.wire.errors import BadOptions, MalformedHeader
from webhooks.wire.placeholders import Part, Placeholder

_NAMES = frozenset({"signature", "timestamp", "id", "key_id", "algorithm", "any"})
_SEPARATORS = re.compile(r"[,;&| .]{0,2}")

Fields = dict[str, list[str]]


class ProofFormat:
    """A format and its separator: none, one character, or two of which each separates. Raises BadOptions."""

    def __init__(self, text: str, separator: str) -> None:
        if not _SEPARATORS.fullmatch(separator):
            raise BadOptions("separator must be one or two of , ; & | . and space")
        self._split = re.compile(f"[{re.escape(separator)}]").split if separator else (lambda value: [value])
        self._is_list, self._parts = bool(separator), placeholders.parse(text)
        self._items = [_Item(item.strip(" ") if separator else item) for item in self._split(text)]
        self.names = {name for item in self._items for name in item.names}
        if "signature" not in self.names:
            raise BadOptions("format must contain {signature}")

    def read(self, where: str, value: str) -> Fields:
        """Return the texts at each placeholder. Raises MalformedHeader; ``where`` is the place that is named then."""
        found: Fields = {}
        for position, element in enumerate(self._split(value)):
            stripped = element.strip(" ") if self._is_list else element
            for name, text in self._match(position, stripped).items():
                found.setdefault(name, []).append(text)
        if not 0 < len(found.get("signature", ())) <= MAX_SIGNATURES:
            raise MalformedHeader(where)
        return found

    def write(self, values: Mapping[str, str]) -> str:
        """Return a value with these texts, for a test message."""
        return "".join(part if isinstance(part, str) else values.get(part.name, "x") for part in self._parts)

    def _match(self, position: int, element: str) -> dict[str, str]:
        for item in self._items:
            if item.has_text and (match := item.pattern.fullmatch(element)):
                return match.groupdict()
        item = self._items[min(position, len(self._items) - 1)]
        match = None if item.has_text else item.pattern.fullmatch(element)
        return match.groupdict() if match else {}


class _Item:
    """One element of the format."""

    def __init__(self, text: str) -> None:
        parts = placeholders.parse(text)
        self.names = placeholders.names(parts)
        if not set(self.names) <= _NAMES or len(set(self.names)) < len(self.names):
            raise BadOptions(f"an element of format may contain each of {', '.join(sorted(_NAMES))} once")
        self.has_text = any(isinstance(part, str) for part in parts)
        self.pattern = re.compile("".join(map(_pattern, parts)), re.DOTALL)


def _pattern(part: Part) -> str:
    return f"(?P<{part.name}>.+?)" if isinstance(part, Placeholder) else re.escape(part)
