"""Read the presets: one TOML file for each sender, found by its name.

A file has what the admin and the documentation show (``label``, ``docs``, ``logo``, ``secret``, ``needs``, ``note``),
and beside that fields of a source as the REST API names them. A source that is created with the name of a sender has
those fields unless its own are given. A new sender is a new file: see docs/how-to/add-a-sender.md.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "presets"
_SHOWN = ("label", "docs", "logo", "secret", "needs", "note")
FIELDS = frozenset(
    {
        *("scheme", "options", "handshake", "timestamp_tolerance_seconds", "message_id_path", "event_type_path"),
        *(
            "order_key_path",
            "dedupe",
            "envelope",
            "content_types",
            "response_status",
            "response_body",
            "response_content_type",
        ),
        *("response_when", "responses"),
    }
)
"""The fields of a source that a preset may have."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A preset. ``needs``: fields that its sources need beside the secret; ``note``: what to know, as a sentence."""

    name: str
    label: str
    docs: str
    logo: str
    secret: str
    needs: tuple[str, ...]
    note: str
    fields: Mapping[str, Any]


class UnknownSender(ValueError):
    """No sender has this name."""


class InvalidPreset(ValueError):
    """A file is not a preset."""


@lru_cache(maxsize=1)
def sender_names() -> tuple[str, ...]:
    """Return the names of all senders, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@lru_cache(maxsize=256)
def find_sender(name: str) -> Sender:
    """Return a sender. Raises UnknownSender."""
    if name not in sender_names():
        raise UnknownSender(name)
    return read_preset(name, (_FOLDER / f"{name}.toml").read_text())


def all_senders() -> list[Sender]:
    """Return all senders, in alphabetical order of their names."""
    return [find_sender(name) for name in sender_names()]


def read_preset(name: str, text: str) -> Sender:
    """Return the sender that a file describes. Raises InvalidPreset."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidPreset(f"{name}: {error}") from error
    shown = {key: values.pop(key) for key in _SHOWN if key in values}
    unknown = values.keys() - FIELDS
    if unknown or not {"label", "docs", "logo"} <= shown.keys() or "scheme" not in values:
        raise InvalidPreset(f"{name}: label, docs, logo and scheme are required; unknown: {', '.join(sorted(unknown))}")
    return Sender(
        name=name,
        label=shown["label"],
        docs=shown["docs"],
        logo=shown["logo"],
        secret=shown.get("secret", ""),
        needs=tuple(shown.get("needs", ())),
        note=shown.get("note", ""),
        fields=values,
    )


def with_preset(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a new source, and those of the preset that ``sender`` names where none are given.

    Options that are given replace those of the same name only. Raises UnknownSender.
    """
    preset = find_sender(str(given.get("sender"))).fields
    fields = {**preset, **given}
    if isinstance(given.get("options"), dict):
        fields["options"] = {**preset.get("options", {}), **given["options"]}
    return fields
