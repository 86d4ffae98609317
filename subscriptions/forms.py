"""The admin's forms hold what they are given to the same rules as REST."""

from typing import Any

from django import forms

from subscriptions.errors import Refused
from subscriptions.models import ApiKey, Scope, Tenant
from subscriptions.rules import check_metadata, check_name, check_uid

__all__ = ["KeyForm", "TenantForm"]


class TenantForm(forms.ModelForm):  # type: ignore[type-arg]
    """A tenant."""

    class Meta:
        model = Tenant
        fields = ("name", "uid", "metadata", "retention_days")

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        hold_to(check_name, name)
        return name

    def clean_uid(self) -> str | None:
        uid: str | None = self.cleaned_data["uid"] or None
        hold_to(check_uid, Tenant.prefix, uid)
        return uid

    def clean_metadata(self) -> Any:
        metadata = self.cleaned_data["metadata"] or {}
        hold_to(check_metadata, metadata)
        return metadata


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A key to be made; without a tenant it is an operator's."""

    scopes = forms.MultipleChoiceField(choices=Scope.choices, initial=Scope.values, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ApiKey
        fields = ("tenant", "name", "scopes", "expires_at")


def hold_to(check: Any, *given: Any) -> None:
    """Run a check of the rules; what it refuses is an error of the field being cleaned."""
    try:
        check(*given)
    except Refused as error:
        raise forms.ValidationError(error.message) from None
