"""Validate alert rules in the admin's forms, by what creating and changing them does."""

from typing import Any

from django import forms
from django.db import transaction

from delivery.alerts import rules
from delivery.alerts.channel_rows import endpoint_by_ref
from delivery.models import AlertRule
from subscriptions.errors import Invalid
from webhooks.kit.conditions.registry import CONDITIONS

WRITABLE = ("uid", "name", "severity", "enabled", "for_minutes", "keep_minutes", "reminder_minutes")
TEXTAREA = {"rows": 4, "class": "wp-input", "spellcheck": "false"}
MEMBERS = {"endpoint", "email", "url", "type"}


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """Create or edit an alert rule; its tenant stays."""

    condition = forms.ChoiceField(help_text="What is watched.")
    settings = forms.JSONField(
        required=False,
        initial=dict,
        widget=forms.Textarea(attrs=TEXTAREA),
        help_text='Settings of the condition as JSON, such as {"above": 10}; the others get their defaults.',
    )
    channels = forms.JSONField(
        required=False,
        initial=list,
        widget=forms.Textarea(attrs=TEXTAREA),
        help_text='JSON list, such as [{"type": "email", "email": "on-call@example.com"}], {"type": "apprise", '
        '"url": "slack://..."} or {"type": "endpoint", "endpoint": "ep_..."}. URLs are shown without their secrets; '
        "sent back like that, they stay.",
    )

    class Meta:
        model = AlertRule
        fields = ("tenant", *WRITABLE)
        labels = {
            "for_minutes": "Fire after (minutes)",
            "keep_minutes": "Resolve after (minutes)",
            "reminder_minutes": "Repeat after (minutes)",
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["condition"].choices = [(it.name, it.label) for it in CONDITIONS.values()]  # type: ignore[attr-defined]
        if not self.instance._state.adding:
            self.initial.update(
                condition=self.instance.condition, settings=self.instance.settings, channels=_shown(self.instance)
            )

    def clean_uid(self) -> str | None:
        """Return the uid; empty means none."""
        return self.cleaned_data["uid"] or None

    def clean_channels(self) -> list[dict[str, Any]]:
        """Return the channels, with the endpoints that they name."""
        given = self.cleaned_data["channels"] or []
        is_list = isinstance(given, list) and all(isinstance(it, dict) and it.get("type") for it in given)
        if not is_list or any(set(it) - MEMBERS for it in given):
            raise forms.ValidationError("Must be a list of objects with type, and endpoint, email or url.")
        return [{**it, "endpoint": endpoint_by_ref(it["endpoint"])} if it.get("endpoint") else it for it in given]

    def clean(self) -> dict[str, Any]:
        """Write the rule and undo that, which finds all that is wrong."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    self.write()
                    transaction.set_rollback(True)
            except Invalid as error:
                self.add_error(error.field if error.field in self.fields else None, error.message)
        return cleaned

    def write(self) -> AlertRule:
        """Create or change the rule. Raises Invalid."""
        names = (*WRITABLE, "condition", "settings", "channels")
        fields = {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}
        fields["settings"] = fields.get("settings") or {}
        if self.instance._state.adding:
            return rules.create_rule(self.cleaned_data["tenant"], **fields)
        return rules.change_rule(AlertRule.objects.get(pk=self.instance.pk), fields)


def _shown(rule: AlertRule) -> list[dict[str, str]]:
    return [
        {
            "type": it.type,
            **({"endpoint": it.endpoint.public_id} if it.endpoint else {}),
            **({"email": it.email} if it.email else {}),
            **({"url": it.shown_url} if it.shown_url else {}),
        }
        for it in rule.channel_rows.select_related("endpoint").order_by("id")
    ]
