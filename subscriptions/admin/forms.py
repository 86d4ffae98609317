"""Validate tenants, plans and API keys in the admin's forms by the same rules as the REST API."""

from collections.abc import Callable
from typing import Any

from django import forms

from subscriptions.errors import Invalid
from subscriptions.models import ApiKey, Plan, Scope, Tenant
from subscriptions.tenants.keys import scopes_of
from subscriptions.tenants.plans import check_retention, plan_of
from subscriptions.validation import check_metadata, check_name, check_uid
from webhooks.kit.rest.labels import check_labels


class NamedForm(forms.ModelForm):  # type: ignore[type-arg]
    """Edit a row with a name and an optional uid."""

    def clean_name(self) -> str:
        """Validate the name."""
        name: str = self.cleaned_data["name"]
        _validate(check_name, name)
        return name

    def clean_uid(self) -> str | None:
        """Validate the uid; empty means none."""
        uid: str | None = self.cleaned_data["uid"] or None
        _validate(check_uid, self._meta.model.prefix, uid)
        return uid


class TenantForm(NamedForm):
    """Edit a tenant."""

    class Meta:
        model = Tenant
        fields: tuple[str, ...] = (
            *("name", "uid", "plan", "labels", "is_platform", "metadata", "unknown_event_types", "retention_days"),
            "archives_events",
        )

    def clean(self) -> dict[str, Any]:
        """Validate the retention against the plan."""
        cleaned = super().clean() or self.cleaned_data
        days = cleaned.get("retention_days")
        if days is not None:
            try:
                check_retention(plan_of(Tenant(plan=cleaned.get("plan"))), days)
            except Invalid as error:
                self.add_error(error.field, error.message)
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """Skip the unique platform's own tenant: a new one replaces the former."""
        return {*super()._get_validation_exclusions(), "is_platform"}  # type: ignore[misc] # missing in the stubs

    def clean_labels(self) -> Any:
        """Validate the labels; empty means none."""
        try:
            labels = self.cleaned_data["labels"]
            return check_labels({} if labels is None else labels)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from None

    def clean_metadata(self) -> Any:
        """Validate the metadata; empty means an empty object."""
        metadata = self.cleaned_data["metadata"] or {}
        _validate(check_metadata, metadata)
        return metadata


class PlanForm(NamedForm):
    """Edit a plan; an empty limit means no limit."""

    class Meta:
        model = Plan
        fields = (
            *("name", "uid", "is_default", "events_per_month", "publish_rate", "max_endpoints", "endpoint_types"),
            *("max_subscriptions", "max_subscription_bytes", "max_sources", "max_schedules"),
            *("min_schedule_interval_seconds", "max_event_bytes", "max_retention_days"),
        )

    def _get_validation_exclusions(self) -> set[str]:
        """Skip the unique default: saving a new default plan replaces the old one."""
        return {*super()._get_validation_exclusions(), "is_default"}  # type: ignore[misc] # missing in the stubs


class KeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Create an API key; without a tenant it is a platform key."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="At least one, unless the key has a role: without any it has all of the role.",
    )

    class Meta:
        model = ApiKey
        fields = ("tenant", "name", "role", "scopes", "expires_at")

    def clean(self) -> dict[str, Any]:
        """Return the fields with the scopes of the key, which may not be more than its role has."""
        fields = self.cleaned_data
        fields["role"] = fields.get("role") or None
        try:
            fields["scopes"] = scopes_of(fields["role"], fields.get("scopes") or ())
        except Invalid as error:
            self.add_error(error.field, error.message)
        return fields


def _validate(check: Callable[..., object], *values: Any) -> None:
    """Run a check; report what it refuses as an error of the field that is being cleaned."""
    try:
        check(*values)
    except Invalid as error:
        raise forms.ValidationError(error.message) from None
