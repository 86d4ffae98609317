"""Find kinds of systems by name, and list them.

The file of a kind is imported at its first use, because the library of its system may be absent, and costs memory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Generic, TypeVar

from django.utils.module_loading import import_string

from webhooks.kit.kinds.setting import InvalidSettings, Setting, missing_modules, not_installed
from webhooks.kit.kinds.system_kind import SystemKind

HTTP = "http"  # the kind without a file: senders post to its sources, and its endpoints are called by their URL


@dataclass(frozen=True, slots=True)
class KindEntry:
    """A kind as it is listed: also one whose library is not installed.

    All fields but ``missing`` are attributes of the kind. ``missing``: the modules that are not installed.
    """

    name: str
    label: str
    description: str
    settings: tuple[Setting, ...] = ()
    extra: str = ""
    missing: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Return whether all modules that it needs are installed."""
        return not self.missing


K = TypeVar("K", bound=SystemKind)
E = TypeVar("E", bound=KindEntry)


class Registry(Generic[K, E]):
    """The kinds of sources, or those of endpoints.

    ``find`` returns a kind by name. It raises KeyError, and ModuleNotFoundError if the file imports what is not
    installed.
    """

    find: Callable[[str], K]

    def __init__(self, files: Mapping[str, str], http: E, *, field: str, owner: str) -> None:
        """List the classes in ``files``: dotted paths by name of the kind.

        ``http``: the entry of the kind without a file. ``field``: the field of the API that has the kind. ``owner``:
        what has the kind, for messages, such as "A source of the kind".
        """
        self._files, self._http, self._field, self._owner = files, http, field, owner
        self.find = cache(self._load)

    def _load(self, name: str) -> K:
        kind: K = import_string(self._files[name])()
        return kind

    def names(self) -> list[str]:
        """Return the names of all kinds, ``http`` first."""
        return [HTTP, *self._files]

    def entries(self) -> list[E]:
        """Return all kinds as they are listed, ``http`` first."""
        return [self._http, *map(self._entry, self._files)]

    def installed(self, name: str) -> K:
        """Return a kind by name. Raises KeyError, and InvalidSettings if what it needs is not installed."""
        text = f"{self._owner} {name}"
        try:
            kind = self.find(name)
        except ModuleNotFoundError as error:
            raise InvalidSettings({self._field: f"{text} needs {error.name}, which is not installed here."}) from error
        if problem := not_installed(text, kind.modules, kind.extra):
            raise InvalidSettings({self._field: problem})
        return kind

    def _entry(self, name: str) -> E:
        entry = type(self._http)
        try:
            kind = self.find(name)
        except ModuleNotFoundError as error:
            return entry(name, name, "Its library is not installed.", missing=(str(error.name),))
        known = {it.name: getattr(kind, it.name) for it in fields(entry) if it.name != "missing"}
        return entry(**{**known, "name": name}, missing=tuple(missing_modules(kind.modules)))
