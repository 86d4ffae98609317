"""Make the pages of the reference that list the settings of kinds: of sources, and of endpoints."""

from collections.abc import Sequence
from typing import Protocol

from webhooks.kit.kinds.setting import Setting


class Kind(Protocol):
    """A kind of sources or of endpoints, as far as its section shows it."""

    @property
    def name(self) -> str:
        """Return the name in REST."""

    @property
    def label(self) -> str:
        """Return the name of the other system."""

    @property
    def description(self) -> str:
        """Return what it does, and its guarantee."""

    @property
    def extra(self) -> str:
        """Return the extra of the installation that it needs; empty: none."""

    @property
    def settings(self) -> Sequence[Setting]:
        """Return its settings and credentials."""


def _escaped(text: object) -> str:
    return str(text).replace("|", r"\|").replace("\n", " ")


def _form(setting: Setting) -> str:
    """Return the type of a setting with its limits."""
    names = {"text": "string", "number": "integer", "texts": "array of strings"}
    if setting.choices:
        return "one of " + ", ".join(f"`{it}`" for it in setting.choices)
    limits = [f"from {setting.minimum:,}"] if setting.minimum is not None else []
    limits += [f"up to {setting.maximum:,}"] if setting.maximum is not None else []
    return ", ".join([names.get(setting.type, setting.type), *limits])


def _default(setting: Setting) -> str:
    if setting.is_required:
        return "required"
    value = setting.default
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _row(setting: Setting) -> str:
    example = f" Example: `{setting.example}`." if setting.example else ""
    cells = (f"`{setting.path}`", _form(setting), _default(setting), f"{setting.help_text}{example}")
    return f"| {' | '.join(map(_escaped, cells))} |\n"


def section(kind: Kind) -> str:
    """Return the section of a kind: what it does, and its settings."""
    extra = f"\nIt needs `pip install waypost[{kind.extra}]`.\n" if kind.extra else ""
    rows = "".join(map(_row, kind.settings))
    return (
        f"\n## {kind.label}: `{kind.name}`\n\n{kind.description}\n{extra}\n"
        f"| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n{rows}"
    )


def check_texts(kind: Kind) -> None:
    """Check the texts that the form, REST and the page are made of."""
    assert kind.label
    assert kind.description.endswith(".")
    for setting in kind.settings:
        assert setting.label[0].isupper(), setting.path
        assert setting.help_text.endswith("."), setting.path
        assert not (setting.is_credential and setting.default), setting.path
