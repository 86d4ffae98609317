"""Define the form of a source: its fields, their groups and texts. The REST API's serializer validates the values."""

from collections.abc import Iterator
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField

from webhooks.kit.admin.setting_fields import LinesField
from webhooks.models import Source
from webhooks.processing.handler_registry import handler_paths
from webhooks.schemes import SCHEMES
from webhooks.senders.presets import Sender, all_senders
from webhooks.sources.secret_rotation import MAX_SECRET_LENGTH
from webhooks.wire.ids import parse

OPTIONS_HELP = (
    "A JSON object of strings, for hmac, public_key, token, jwt and mtls only. hmac: "
    '{"header": "x-proof", "algorithm": "sha256", "encoding": "hex", "format": "t={timestamp},v1={signature}", '
    '"separator": ",", "signed": "{timestamp}.{body}"}; public_key: {"algorithm": "ed25519", "header": "x-proof"}; '
    'jwt: {"jwks_url": "https://...", "issuer": "...", "audience": "..."}.'
)
_GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "General": ("sender", "name", "uid", "tenant"),
    "Signature": ("scheme", "secret", "options", "timestamp_tolerance_seconds", "public_url"),
    "Verification": ("verify_token", "clear_verify_token", "allowed_origins", "handshake"),
    "Field mapping": (
        "message_id_path",
        "dedupe",
        "dedupe_window_seconds",
        "event_type_path",
        "envelope",
        "order_key_path",
        "sequence_path",
        "skip_out_of_order",
    ),
    "Limits": ("max_bytes", "rate_per_minute", "content_types", "allowed_networks"),
    "Response": (
        *("response_status", "response_when", "response_timeout_seconds", "response_content_type"),
        *("response_body", "response_is_empty", "responses"),
    ),
    "Handlers": ("handlers", "handler_timeout_seconds", "retry_plan"),
}
_MODEL_FIELDS = (
    *(
        "name",
        "uid",
        "timestamp_tolerance_seconds",
        "message_id_path",
        "dedupe",
        "dedupe_window_seconds",
        "event_type_path",
        "envelope",
    ),
    "order_key_path",
    *("sequence_path", "skip_out_of_order", "max_bytes", "rate_per_minute", "response_status", "response_when"),
    *("response_timeout_seconds", "response_body", "handler_timeout_seconds"),
)
_WIDE = frozenset(
    {"sender", "handshake", "responses", "scheme", "options", "response_body", "handlers", "public_url", "secret"}
)
_LABELS = {"uid": "External ID", "public_url": "Public URL", "tenant": "Owner", "message_id_path": "Message ID path"}


NEVER = "never"  # the retry plan without a second attempt


class RetryPlanField(forms.CharField):
    """Edit whole seconds, separated by commas; ``never`` means no second attempt, empty the default plan."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if text == NEVER:
            return []
        try:
            return [int(part) for part in text.split(",")] if text else None
        except ValueError:
            raise ValidationError("Must be whole seconds separated by commas, such as 5, 60, 3600.") from None

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) or NEVER if isinstance(value, list) else value


class TenantField(forms.CharField):
    """Read a tenant's public id."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            return parse("tnt", text) if text else None
        except ValueError:
            raise ValidationError("Must be a tenant ID that begins with tnt_.") from None


def secret_input() -> forms.PasswordInput:
    """Return an input for a secret; a page that is shown again does not contain what was typed."""
    return forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "wp-input"})


class SourceForm(forms.Form):
    """Edit a source. An existing ``source`` has its secrets on a page of their own."""

    def __init__(self, data: Any = None, *, source: Source | None = None) -> None:
        super().__init__(data, initial=_initial(source) if source else None)
        fields: dict[str, Any] = {**forms.fields_for_model(Source, fields=_MODEL_FIELDS), **_other_fields()}
        left_out = ("secret", "tenant", "sender") if source else ("clear_verify_token",)
        if source:
            fields["verify_token"].help_text += " Empty: unchanged."
        names = (name for group in _GROUPS.values() for name in group if name not in left_out)
        self.fields = {name: fields[name] for name in names}
        for name, field in self.fields.items():
            field.label = _LABELS.get(name, field.label)
            field.widget.attrs.setdefault("autocomplete", "off")
            if isinstance(field.widget, forms.Textarea):
                field.widget.attrs["rows"] = 3
            if not isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = "wp-input"

    def groups(self) -> Iterator[tuple[str, list[tuple[BoundField, bool]]]]:
        """Yield each group's title and its fields, each with whether it takes a whole line."""
        for title, names in _GROUPS.items():
            yield title, [(self[name], name in _WIDE) for name in names if name in self.fields]

    def as_api_data(self, *, changed_only: bool = False) -> dict[str, Any]:
        """Return the values as a request body of the REST API.

        With the name of a sender those that were left as they are come from its preset.
        """
        changed_only = changed_only or bool(self.cleaned_data.get("sender"))
        names = self.changed_data if changed_only else list(self.cleaned_data)
        if changed_only and {"response_body", "response_is_empty"} & set(names):
            names = [*names, "response_body", "response_is_empty"]
        values = {name: value for name, value in self.cleaned_data.items() if name in names}
        clears_token = values.pop("clear_verify_token", False)
        is_empty = values.pop("response_is_empty", False)
        if "response_body" in values:
            values["response_body"] = values["response_body"] or ("" if is_empty else None)
        for name in ("secret", "verify_token"):
            if not values.get(name):
                values.pop(name, None)
        for name, empty in (("options", dict), ("handlers", list), ("handshake", list), ("responses", dict)):
            if name in values:
                values[name] = values[name] or empty()
        if "public_url" in values:
            values["public_url"] = values["public_url"] or None
        values.pop("tenant", None)
        return {**values, "verify_token": None} if clears_token else values


def _initial(source: Source) -> dict[str, Any]:
    names = {field.name for field in Source._meta.concrete_fields} - {"verify_token"}
    return {**{name: getattr(source, name) for name in names}, "response_is_empty": source.response_body == ""}


def _other_fields() -> dict[str, forms.Field]:
    """Return the fields whose input differs from the column's."""
    senders = [("", "Another sender"), *((it.name, _sender_label(it)) for it in all_senders())]
    return {
        "sender": forms.ChoiceField(
            required=False,
            choices=senders,
            help_text="A known sender: what is left unchanged below has the values of its preset.",
        ),
        "handshake": forms.JSONField(
            required=False, initial=list, widget=forms.Textarea(attrs={"rows": 3}), help_text=_help("handshake")
        ),
        "responses": forms.JSONField(
            required=False, initial=dict, widget=forms.Textarea(attrs={"rows": 3}), help_text=_help("responses")
        ),
        "response_is_empty": forms.BooleanField(required=False, help_text="Respond without a body."),
        "tenant": TenantField(required=False, help_text="A tenant's ID, tnt_...; empty: the operator."),
        "scheme": forms.ChoiceField(
            choices=[(name, scheme.label) for name, scheme in SCHEMES.items()],
            initial="standard",
            help_text=_help("scheme"),
        ),
        "secret": forms.CharField(
            required=False,
            strip=False,
            max_length=MAX_SECRET_LENGTH,
            widget=secret_input(),
            help_text="Secret issued by the sender. Stored encrypted. Empty, with Standard Webhooks: one is generated "
            "and shown once.",
        ),
        "options": forms.JSONField(
            required=False, initial=dict, widget=forms.Textarea(attrs={"rows": 3}), help_text=OPTIONS_HELP
        ),
        "public_url": forms.URLField(
            required=False, max_length=2048, assume_scheme="https", help_text=_help("public_url")
        ),
        "verify_token": forms.CharField(
            required=False, max_length=256, widget=secret_input(), help_text=_help("verify_token")
        ),
        "clear_verify_token": forms.BooleanField(required=False, help_text="Remove the token."),
        "allowed_origins": LinesField(
            required=False, initial=["*"], help_text=f"{_help('allowed_origins')} One per line; empty: none."
        ),
        "content_types": LinesField(required=False, help_text=f"{_help('content_types')} One per line."),
        "allowed_networks": LinesField(required=False, help_text=f"{_help('allowed_networks')} One per line."),
        "response_content_type": forms.CharField(
            required=False, max_length=128, help_text=_help("response_content_type")
        ),
        "handlers": forms.JSONField(
            required=False,
            initial=list,
            widget=forms.Textarea(attrs={"rows": 3}),
            help_text=f"{_help('handlers')} Names: {', '.join(sorted(handler_paths()))}. No pattern: every message.",
        ),
        "retry_plan": RetryPlanField(
            required=False, help_text=f"{_help('retry_plan')} Example: 5, 60, 3600; or never."
        ),
    }


def _sender_label(sender: Sender) -> str:
    return f"{sender.label}: {sender.secret}" if sender.secret else sender.label


def _help(column: str) -> str:
    return str(getattr(Source._meta.get_field(column), "help_text", ""))
