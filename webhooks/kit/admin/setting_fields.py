"""Make the form fields of the settings that a kind declares: of destination, of source, of condition."""

from typing import Any

from django import forms

from webhooks.kit.kinds.setting import Setting

LONG = 4096  # characters; longer credentials, such as key files, are edited in several lines


class LinesField(forms.CharField):
    """Edit a list of texts, one per line."""

    widget = forms.Textarea(attrs={"rows": 2})

    def to_python(self, value: Any) -> Any:
        """Return the lines."""
        return [line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()]

    def prepare_value(self, value: Any) -> Any:
        """Return the text of a list."""
        return "\n".join(value) if isinstance(value, list) else value


def field_name(setting: Setting) -> str:
    """Return the name of the form field of a setting."""
    return setting.path.replace(".", "_")


def setting_field(setting: Setting, *, initial: Any, is_new: bool) -> forms.Field:
    """Return the form field of a setting. Its value is checked when it is stored.

    ``is_new``: nothing is stored yet, so that a credential which is required must be given.
    """
    options: dict[str, Any] = {
        "label": setting.label,
        "help_text": f"{setting.help_text}{f' Example: {setting.example}' if setting.example else ''}",
        "required": setting.is_required and (is_new or not setting.is_credential),
        "initial": None if setting.is_credential else initial,
    }
    if setting.is_credential:
        line = forms.PasswordInput(attrs={"autocomplete": "off"})
        lines = forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"})
        return forms.CharField(**options, widget=lines if setting.max_length > LONG else line, strip=False)
    if setting.choices:
        empty = [] if setting.is_required or setting.default else [("", "-")]
        return forms.ChoiceField(**options, choices=[*empty, *((it, it) for it in setting.choices)])
    if setting.type == "boolean":
        return forms.BooleanField(**{**options, "required": False})
    if setting.type == "number":
        return forms.IntegerField(**options, min_value=setting.minimum, max_value=setting.maximum)
    if setting.type == "object":
        return forms.JSONField(**options)
    if setting.type == "texts":
        return LinesField(**options)
    return forms.CharField(**options)
