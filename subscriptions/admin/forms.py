"""The admin's forms hold what they are given to the same rules as REST."""

from typing import Any

from django import forms

from subscriptions.errors import Invalid
from subscriptions.models import ApiKey, Plan, Scope, Tenant
from subscriptions.tenants.plans import check_retention, plan_of
from subscriptions.validation import check_metadata, check_name, check_uid

__all__ = ["KeyForm", "PlanForm", "TenantForm"]


class NamedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row with a name, and a uid if it wants one."""

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        hold_to(check_name, name)
        return name

    def clean_uid(self) -> str | None:
        uid: str | None = self.cleaned_data["uid"] or None
        hold_to(check_uid, self._meta.model.prefix, uid)
        return uid


class TenantForm(NamedForm):
    """A tenant."""

    class Meta:
        model = Tenant
        fields = ("name", "uid", "plan", "metadata", "retention_days")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        days = cleaned.get("retention_days")
        if days is not None:
            try:
                check_retention(plan_of(Tenant(plan=cleaned.get("plan"))), days)
            except Invalid as error:
                self.add_error(error.field, error.message)
        return cleaned

    def clean_metadata(self) -> Any:
        metadata = self.cleaned_data["metadata"] or {}
        hold_to(check_metadata, metadata)
        return metadata


class PlanForm(NamedForm):
    """A plan; an empty limit is none."""

    class Meta:
        model = Plan
        fields = (
            *("name", "uid", "is_default", "events_per_month", "publish_rate", "max_endpoints", "max_event_bytes"),
            "max_retention_days",
        )

    def _get_validation_exclusions(self) -> set[str]:
        """That another plan is the default is no error: this one takes its place."""
        return {*super()._get_validation_exclusions(), "is_default"}  # type: ignore[misc] # the stubs do not know it


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
    except Invalid as error:
        raise forms.ValidationError(error.message) from None
