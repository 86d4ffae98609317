"""Define the form of a source that is read, made of the settings of its kind; credentials are never shown."""

from collections.abc import Iterator
from typing import Any, Final

from django import forms
from django.forms.boundfield import BoundField

from webhooks.admin.source_form import RetryPlanField, TenantField, secret_input
from webhooks.kit.admin.setting_fields import LinesField
from webhooks.models import Source
from webhooks.processing.handler_registry import handler_paths
from webhooks.sources.connections import credentials_of
from webhooks.sources.kinds.kind import Setting
from webhooks.sources.kinds.registry import KindEntry

_LONG = 2048  # characters; longer credentials are edited in several lines
_GENERAL: Final = ("name", "uid", "tenant")
_MAPPING: Final = (
    *("message_id_path", "dedupe", "dedupe_window_seconds", "event_type_path", "envelope", "order_key_path"),
    *("sequence_path", "skip_out_of_order"),
)
_LIMITS: Final = ("max_bytes", "content_types")
_HANDLERS: Final = ("handlers", "handler_timeout_seconds", "retry_plan")
_MODEL_FIELDS: Final = ("name", "uid", *_MAPPING, "max_bytes", "handler_timeout_seconds")
_JSON_ROWS: Final = {"rows": 3}


class ObjectFormField(forms.JSONField):
    """Edit a JSON object; nothing is shown for none."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class ReadSourceForm(forms.Form):
    """Edit a source of a kind that is read."""

    def __init__(self, data: Any = None, *, kind: KindEntry, source: Source | None = None) -> None:
        super().__init__(data, initial=_initial(kind, source))
        self.kind, self.source = kind, source
        kept = frozenset(credentials_of(source)) if source else frozenset()
        fields: dict[str, Any] = {**forms.fields_for_model(Source, fields=_MODEL_FIELDS), **_other_fields()}
        fields |= {_name(it): _field(it, is_kept=it.name in kept) for it in kind.settings}
        if source:
            del fields["tenant"]
        self.fields = {name: fields[name] for names in self._groups().values() for name in names if name in fields}
        labels = {"uid": "External ID", "tenant": "Owner"}
        for name, field in self.fields.items():
            field.label = labels.get(name, field.label)
            field.widget.attrs.setdefault("autocomplete", "off")
            if not isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = "wp-input"

    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {
            "General": _GENERAL,
            self.kind.label: tuple(_name(it) for it in self.kind.settings if not it.is_credential),
            "Credentials": (*(_name(it) for it in self.kind.settings if it.is_credential), "skip_test"),
            "Field mapping": _MAPPING,
            "Limits": _LIMITS,
            "Handlers": _HANDLERS,
        }

    def groups(self) -> Iterator[tuple[str, list[tuple[BoundField, bool]]]]:
        """Yield each group's title and its fields, each with whether it takes a whole line."""
        for title, names in self._groups().items():
            own = [self[name] for name in names if name in self.fields]
            yield title, [(it, isinstance(it.field.widget, forms.Textarea)) for it in own]

    def as_api_data(self, *, changed_only: bool = False) -> dict[str, Any]:
        """Return the values as a request body of the REST API; credentials that are left empty are left out."""
        names = set(self.changed_data) if changed_only else set(self.cleaned_data)
        values = {name: value for name, value in self.cleaned_data.items() if name in names and "__" not in name}
        values.pop("tenant", None)
        if "handlers" in values:
            values["handlers"] = values["handlers"] or []
        settings = {it.name: self.cleaned_data.get(_name(it)) for it in self.kind.settings if not it.is_credential}
        given = {it.name: self.cleaned_data.get(_name(it)) for it in self.kind.settings if it.is_credential}
        if not changed_only:
            values["kind"] = self.kind.name
        if not changed_only or any(name.startswith("settings__") for name in names):
            values["settings"] = {name: value for name, value in settings.items() if value not in (None, "", [])}
        if credentials := {name: value for name, value in given.items() if value}:
            values["credentials"] = credentials
        return values

    def add_api_errors(self, errors: Any, prefix: str = "") -> None:
        """Show the errors of the REST API's serializer, each at its field."""
        for name, detail in errors.items():
            if name in ("settings", "credentials") and isinstance(detail, dict):
                self.add_api_errors(detail, f"{name}__")
                continue
            place = f"{prefix}{name}"
            for message in _messages(detail):
                self.add_error(place if place in self.fields else None, message)


def _messages(detail: Any) -> Iterator[str]:
    if isinstance(detail, (dict, list)):
        for part in detail.values() if isinstance(detail, dict) else detail:
            yield from _messages(part)
    else:
        yield str(detail)


def _name(setting: Setting) -> str:
    return setting.path.replace(".", "__")


def _initial(kind: KindEntry, source: Source | None) -> dict[str, Any]:
    own = [it for it in kind.settings if not it.is_credential]
    if source is None:
        return {_name(it): it.default for it in own}
    stored = {_name(it): source.settings.get(it.name, it.default) for it in own}
    return {**{field.name: getattr(source, field.name) for field in Source._meta.concrete_fields}, **stored}


def _field(setting: Setting, *, is_kept: bool) -> forms.Field:
    """Return the form field of a setting; the serializer checks its value."""
    example = f" Example: {setting.example}." if setting.example else ""
    common: dict[str, Any] = {"label": setting.label, "required": False, "help_text": f"{setting.help_text}{example}"}
    if setting.is_credential:
        common["help_text"] += " Empty: unchanged." if is_kept else ""
        lines = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
        return forms.CharField(**common, strip=False, widget=lines if setting.max_length > _LONG else secret_input())
    common["required"] = setting.is_required and setting.type != "boolean"
    if setting.choices:
        empty = [] if setting.is_required or setting.default is not None else [("", "-")]
        return forms.ChoiceField(**common, choices=[*empty, *((it, it) for it in setting.choices)])
    if setting.type == "number":
        return forms.IntegerField(**common)
    if setting.type == "boolean":
        return forms.BooleanField(**common)
    if setting.type == "texts":
        return LinesField(**{**common, "help_text": f"{common['help_text']} One per line."})
    if setting.type == "object":
        return ObjectFormField(**common, widget=forms.Textarea(attrs=dict(_JSON_ROWS)))
    return forms.CharField(**common)


def _other_fields() -> dict[str, forms.Field]:
    def of(column: str) -> str:
        return str(getattr(Source._meta.get_field(column), "help_text", ""))

    handlers = f"{of('handlers')} Names: {', '.join(sorted(handler_paths()))}. No pattern: every message."
    return {
        "tenant": TenantField(required=False, help_text="A tenant's ID, tnt_...; empty: the operator."),
        "skip_test": forms.BooleanField(
            required=False, label="Save without a test", help_text="Save although the other system cannot be read now."
        ),
        "content_types": LinesField(required=False, help_text=f"{of('content_types')} One per line."),
        "handlers": forms.JSONField(
            required=False, initial=list, widget=forms.Textarea(attrs=dict(_JSON_ROWS)), help_text=handlers
        ),
        "retry_plan": RetryPlanField(required=False, help_text=f"{of('retry_plan')} Example: 5, 60, 3600; or never."),
    }
