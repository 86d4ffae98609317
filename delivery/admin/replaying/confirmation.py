"""Ask to type that the rows of all tenants are meant."""

from typing import Any

from django import forms

ALL_TENANTS = "all tenants"  # to be typed


class ConfirmField(forms.CharField):
    """Ask to type that all tenants are meant."""

    def __init__(self) -> None:
        super().__init__(
            label=f'No tenant is chosen: type "{ALL_TENANTS}" to go on',
            widget=forms.TextInput(attrs={"class": "wp-input", "autocomplete": "off"}),
        )

    def clean(self, value: Any) -> Any:
        """Return the text. Raises ValidationError for any other."""
        text = super().clean(value)
        if text != ALL_TENANTS:
            raise forms.ValidationError(f'Must be "{ALL_TENANTS}"; or choose a tenant.')
        return text
