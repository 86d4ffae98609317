"""Read a few members of a JSON text of any size in one pass, with memory that does not grow with the text.

The result is the document with only the members on the way to the wanted names. Lists keep all their elements, reduced
in the same way, so an index still means the same element. What is not wanted is skipped; a wanted string beyond
``MAX_STRING`` is ``TOO_LONG``. Numbers are exact: int, or Decimal with the digits as written. Everything else is as in
``json_document``: of repeated names the last counts, and what is no JSON to its end has no members.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import IO, Any

import ijson
from ijson.utils import sendable_list

from webhooks.wire.bodies.json_document import MAX_DEPTH
from webhooks.wire.bodies.short_strings import MAX_STRING, ShortStrings
from webhooks.wire.errors import UnreadableBody

MAX_KEPT_VALUES = 100_000  # about 10 MB
MAX_KEPT_CHARACTERS = 4 * MAX_STRING
_DEPTH = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}


class SelectionTooLarge(UnreadableBody):
    """The wanted part of a document takes too much memory."""


class RepeatedName(UnreadableBody):
    """An object whose names must be unique has one twice."""


class TooLong(Enum):
    """The value of a string that is longer than ``MAX_STRING``."""

    TOO_LONG = "a string that is too long"


TOO_LONG = TooLong.TOO_LONG


@dataclass(slots=True)
class Wanted:
    """Describe the part of a value to keep: of an object these members, of a list the same of each element.

    ``scalars``: also all other members, objects and lists as empty ones. ``lists``: also a list of scalars.
    ``unique``: an object that repeats a name is an error (RepeatedName).
    """

    members: dict[str, "Wanted"] = field(default_factory=dict)
    scalars: bool = False
    lists: bool = False
    unique: bool = False

    @property
    def is_object(self) -> bool:
        """Return whether anything is wanted of an object."""
        return bool(self.members) or self.scalars

    def add(self, path: Iterable[str]) -> "Wanted":
        """Want the member at this path too, and return what is wanted of it."""
        node = self
        for name in path:
            node = node.members.setdefault(name, Wanted())
        return node

    def add_pointer(self, pointer: str) -> None:
        """Want the scalar at a JSON pointer (RFC 6901). An index, or ``*``, leads to all elements."""
        steps = steps_of(pointer)
        self.add(steps)
        names = [step for step in steps if not (_is_index(step) or step == "*")]
        if len(names) < len(steps):
            self.add(names).lists = True

    def add_names(self, names: Mapping[str, Any]) -> None:
        """Want what a tree of names leads to, as patterns have it (``NamedNode``): lists are no step of a path."""
        for name, node in names.items():
            member = self.add([name])
            member.lists = True
            member.add_names(node.children)

    def below(self, name: str) -> "Wanted | None":
        """Return what is wanted of a member, or None. A name with dots leads as far as a path of its parts."""
        found = self.members.get(name)
        if found is not None or "." not in name:
            return found
        node: Wanted | None = self
        for part in name.split("."):
            node = None if node is None else node.members.get(part)
        return node


def select(chunks: Iterable[bytes], wanted: Wanted) -> Any:
    """Return the wanted part of a JSON text in UTF-8.

    Raises UnreadableBody if the text is not JSON, nests deeper than MAX_DEPTH, or has too much of what is wanted, and
    RepeatedName.
    """
    selection = _Selection(wanted)
    short = ShortStrings()
    events = sendable_list()
    parser = ijson.basic_parse_coro(events)
    try:
        for chunk in short.shortened(chunks):
            parser.send(chunk)
            selection.take(events, short)
            events.clear()
        parser.close()
        selection.take(events, short)
    except (ijson.JSONError, ValueError, ArithmeticError, SystemError) as error:  # the last: a number of 4,301 digits
        raise error if isinstance(error, UnreadableBody) else UnreadableBody("is not JSON") from None
    return selection.document


class _Selection:
    """The part of a document that was selected so far."""

    def __init__(self, wanted: Wanted) -> None:
        self.document: Any = None
        self._wanted: Wanted | None = wanted  # of the value that comes next
        self._stack: list[tuple[Any, Wanted]] = []  # the containers around it, and what is wanted of them
        self._name = ""
        self._skipped = 0  # levels of nesting that are being skipped
        self._values = self._characters = 0
        self._names: list[set[str]] = []  # of the containers around it whose names must be unique

    def take(self, events: Iterable[tuple[str, Any]], short: ShortStrings) -> None:
        """Add the next events of the parser."""
        change_of = _DEPTH.get
        for event, given in events:
            value = given
            if short.was_cut and event in ("string", "map_key"):
                short.was_cut, value = False, TOO_LONG
            if self._skipped:
                self._skipped += change_of(event, 0)
                self._check_depth()
            elif event == "map_key":
                self._begin_member(value)
            elif event in ("end_map", "end_array"):
                self._leave()
            elif event in ("start_map", "start_array"):
                self._enter({} if event == "start_map" else [])
            else:
                self._add_scalar(value)

    def _begin_member(self, name: Any) -> None:
        """Take the name of the next member, and forget what an earlier member of that name had."""
        around, wanted = self._stack[-1]
        self._name = "" if name is TOO_LONG else name
        self._wanted = None if name is TOO_LONG else wanted.below(self._name)
        around.pop(self._name, None)
        if wanted.unique:
            names = self._names[-1]
            if self._name in names:
                raise RepeatedName("has a duplicate key")
            if len(names) >= MAX_KEPT_VALUES:
                raise SelectionTooLarge("has too many members")
            names.add(self._name)

    def _enter(self, container: Any) -> None:
        wanted = self._wanted
        if wanted is None or not (wanted.is_object or (wanted.lists and isinstance(container, list))):
            self._skipped = 1
            self._check_depth()
            if self._stack and (isinstance(self._stack[-1][0], list) or self._stack[-1][1].scalars):
                self._add(container)  # so that the elements after it keep their places, and it is no scalar
            return
        self._add(container)
        self._stack.append((container, wanted))
        if wanted.unique:
            self._names.append(set())
        self._check_depth()

    def _check_depth(self) -> None:
        if len(self._stack) + self._skipped > MAX_DEPTH:
            raise UnreadableBody(f"is nested more than {MAX_DEPTH} levels deep")

    def _leave(self) -> None:
        if self._stack.pop()[1].unique:
            self._names.pop()
        self._wanted = self._stack[-1][1] if self._stack else None

    def _add_scalar(self, value: Any) -> None:
        is_kept = self._wanted is not None or (bool(self._stack) and self._stack[-1][1].scalars)
        if is_kept:
            self._add(value)

    def _add(self, value: Any) -> None:
        self._values += 1
        self._characters += len(value) if isinstance(value, str) else 0
        if self._values > MAX_KEPT_VALUES or self._characters > MAX_KEPT_CHARACTERS:
            raise SelectionTooLarge("has too many values in the fields that are read")
        if not self._stack:
            self.document = value
        elif isinstance(self._stack[-1][0], list):
            self._stack[-1][0].append(value)
        else:
            self._stack[-1][0][self._name] = value


def follow(pointer: str, document: object) -> object:
    """Return the value at a JSON pointer (RFC 6901), or None."""
    for key in steps_of(pointer):
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and _is_index(key) and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def steps_of(pointer: str) -> list[str]:
    """Return the steps of a JSON pointer (RFC 6901, section 4)."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def chunks_of(file: IO[bytes], size: int = 64 * 1024) -> Iterator[bytes]:
    """Yield the rest of a binary file in chunks."""
    while chunk := file.read(size):
        yield chunk


def _is_index(step: str) -> bool:
    return step.isascii() and step.isdigit() and len(step) < 10
