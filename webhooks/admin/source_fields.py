"""The form of a source: which fields, in which groups, in which words. What may stand in them the serializer judges."""

from collections.abc import Iterator
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField

from webhooks.api.serializers import RESPONSE_CONTENT_TYPES
from webhooks.models import Source
from webhooks.processing.handler_registry import handler_paths
from webhooks.schemes import SCHEMES
from webhooks.sources.secret_rotation import MAX_SECRET_LENGTH
from webhooks.wire.ids import parse

OPTIONS = (
    'A JSON object of strings, for hmac, token, jwt and mtls only. hmac: {"header": "x-signature", "algorithm": '
    '"sha256", "encoding": "hex", "prefix": "", "signed": "{timestamp}.{body}", "timestamp_header": "x-time"}; '
    'jwt: {"jwks_url": "https://...", "issuer": "...", "audience": "..."}.'
)
_PLAIN = (
    *(
        "name",
        "uid",
        "timestamp_tolerance_seconds",
        "message_id_path",
        "event_type_path",
        "order_key_path",
        "sequence_path",
        "skip_out_of_order",
    ),
    *("max_bytes", "rate_per_minute", "response_status", "response_when", "response_timeout_seconds", "response_body"),
    "handler_timeout_seconds",
)
_GROUPS: Final = {
    "What it is": ("name", "uid", "tenant"),
    "How it signs": ("scheme", "secret", "options", "timestamp_tolerance_seconds", "public_url"),
    "Before the first message": ("verify_token", "forget_verify_token", "allowed_origins"),
    "Where things stand": (
        "message_id_path",
        "event_type_path",
        "order_key_path",
        "sequence_path",
        "skip_out_of_order",
    ),
    "What it may send": ("max_bytes", "rate_per_minute", "content_types"),
    "What it is answered": (
        "response_status",
        "response_when",
        "response_timeout_seconds",
        "response_content_type",
        "response_body",
    ),
    "What works on it": ("handlers", "handler_timeout_seconds", "retry_plan"),
}
_WIDE = frozenset({"scheme", "options", "response_body", "handlers", "public_url", "secret"})


class LinesField(forms.CharField):
    """A list of words, one a line."""

    widget = forms.Textarea(attrs={"rows": 2})

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


class PlanField(forms.CharField):
    """Whole seconds with commas in between; nothing: the usual plan."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            return [int(part) for part in text.split(",")] if text else None
        except ValueError:
            raise ValidationError("Write whole seconds with commas in between, such as 5, 60, 3600.") from None

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value


class TenantField(forms.CharField):
    """A tenant's id as it is shown, tnt_..."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            return parse("tnt", text) if text else None
        except ValueError:
            raise ValidationError("This is not an id that begins with tnt_.") from None


def secret_input() -> forms.PasswordInput:
    """For what is never shown again, not even to who has just written it."""
    return forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "wh-input"})


class SourceForm(forms.Form):
    """All of a source; ``source``: an existing one, whose secrets have a page of their own."""

    def __init__(self, data: Any = None, *, source: Source | None = None) -> None:
        super().__init__(data, initial=_shown(source) if source else None)
        plain = forms.fields_for_model(Source, fields=_PLAIN)
        written = _written()
        missing = ("secret", "tenant") if source else ("forget_verify_token",)
        if source:
            written["verify_token"].help_text += " Leave it empty to keep the one there is."
        self.fields = {
            name: field
            for group in _GROUPS.values()
            for name in group
            if name not in missing and (field := {**plain, **written}[name]) is not None
        }
        for field in self.fields.values():
            field.widget.attrs.setdefault("autocomplete", "off")
            if isinstance(field.widget, forms.Textarea):
                field.widget.attrs["rows"] = 3
            if not isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = "wh-input"

    def groups(self) -> Iterator[tuple[str, list[tuple[BoundField, bool]]]]:
        """Title, and its fields with whether each wants a whole line."""
        for title, group in _GROUPS.items():
            yield title, [(self[name], name in _WIDE) for name in group if name in self.fields]

    def given(self, *, changed: bool = False) -> dict[str, Any]:
        """What REST would be given; ``changed``: only what is not as it was."""
        values = {name: value for name, value in self.cleaned_data.items() if not changed or name in self.changed_data}
        forgotten = values.pop("forget_verify_token", False)
        for name in ("secret", "verify_token"):
            if not values.get(name):
                values.pop(name, None)
        for name, nothing in (("options", dict), ("handlers", list)):
            if name in values:
                values[name] = values[name] or nothing()
        values.pop("tenant", None)
        return {**values, "verify_token": None} if forgotten else values


def _shown(source: Source) -> dict[str, Any]:
    names_of_columns = {field.name for field in Source._meta.concrete_fields} - {"verify_token"}
    return {name: getattr(source, name) for name in names_of_columns}


def _written() -> dict[str, forms.Field]:
    """The fields that are not as the columns are."""

    def told(name: str) -> str:
        return str(getattr(Source._meta.get_field(name), "help_text", ""))

    response_content_types = [("", "application/json"), *((name, name) for name in RESPONSE_CONTENT_TYPES[1:])]
    return {
        "tenant": TenantField(required=False, label="Owner", help_text="A tenant's id, tnt_...; empty: the operator."),
        "scheme": forms.ChoiceField(
            choices=[(name, scheme.label) for name, scheme in SCHEMES.items()],
            initial="standard",
            help_text=told("scheme"),
        ),
        "secret": forms.CharField(
            required=False,
            strip=False,
            max_length=MAX_SECRET_LENGTH,
            widget=secret_input(),
            help_text="As the sender shows it. Encrypted, and never shown. Leave it empty with Standard Webhooks: "
            "one is made, and shown once.",
        ),
        "options": forms.JSONField(
            required=False, initial=dict, widget=forms.Textarea(attrs={"rows": 3}), help_text=OPTIONS
        ),
        "public_url": forms.URLField(
            required=False, max_length=2048, assume_scheme="https", help_text=told("public_url")
        ),
        "verify_token": forms.CharField(
            required=False,
            max_length=256,
            widget=secret_input(),
            help_text="The word by which a GET with hub.mode and hub.challenge is known (Meta, WebSub). Encrypted.",
        ),
        "forget_verify_token": forms.BooleanField(required=False, help_text="No such GET is answered any more."),
        "allowed_origins": LinesField(
            required=False, initial=["*"], help_text=f"{told('allowed_origins')} One a line; empty: nobody."
        ),
        "content_types": LinesField(required=False, help_text=f"{told('content_types')} One a line."),
        "response_content_type": forms.ChoiceField(
            required=False, choices=response_content_types, help_text=told("response_content_type")
        ),
        "handlers": forms.JSONField(
            required=False,
            initial=list,
            widget=forms.Textarea(attrs={"rows": 3}),
            help_text=f"{told('handlers')} Names: {', '.join(sorted(handler_paths()))}. No pattern: every message.",
        ),
        "retry_plan": PlanField(
            required=False, help_text="Seconds to wait after each failure: 5, 60, 3600. Empty: the usual plan."
        ),
    }
