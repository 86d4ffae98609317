"""Validate alert rules in the admin's forms, by what creating and changing them does."""

from typing import Any

from django import forms
from django.db import transaction

from delivery.alerts import rules
from delivery.alerts.channel_rows import channels_of, endpoint_by_ref
from delivery.models import AlertChannel, AlertRule
from subscriptions.errors import Invalid, InvalidParts
from subscriptions.models import Endpoint
from webhooks.kit.admin.setting_fields import LinesField, field_name, setting_field
from webhooks.kit.conditions.condition import Condition

WRITABLE = ("uid", "name", "severity", "enabled", "for_minutes", "keep_minutes", "reminder_minutes")
TYPE = AlertChannel.Type
CHANNELS = {TYPE.EMAIL: "emails", TYPE.APPRISE: "urls", TYPE.ENDPOINT: "endpoints"}  # fields by type of the channel


class AlertRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """Create or edit an alert rule. Its tenant and its condition stay.

    Subclasses (``form_of``) have a field for each setting of ``watched``, the condition; None: it is not installed.
    """

    watched: Condition | None = None

    emails = LinesField(required=False, label="E-mail addresses", help_text="One per line.")
    urls = LinesField(
        required=False,
        label="Chat and other services",
        help_text="URLs of Apprise, such as slack://..., one per line; for the operator's rules only. They are shown "
        "without their secrets; left like that, they stay.",
    )
    endpoints = LinesField(
        required=False, label="Endpoints", help_text="IDs, ep_..., one per line: they receive the alerts as events."
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
        if self.instance._state.adding:
            self.instance.condition = self.watched.name if self.watched else ""
        else:
            self.initial.update({f"settings_{name}": value for name, value in self.instance.settings.items()})
            self.initial.update(_shown_channels(self.instance))
        for name in (*CHANNELS.values(), *(it for it in self.fields if it.startswith("settings_"))):
            if not isinstance(self.fields[name], forms.BooleanField):
                self.fields[name].widget.attrs["class"] = "wp-input"

    def clean_uid(self) -> str | None:
        """Return the uid; empty means none."""
        return self.cleaned_data["uid"] or None

    def clean_endpoints(self) -> list[Endpoint]:
        """Return the endpoints with these IDs."""
        found = {ref: endpoint_by_ref(ref) for ref in self.cleaned_data["endpoints"]}
        if unknown := [ref for ref, endpoint in found.items() if endpoint is None]:
            raise forms.ValidationError(f"There is no endpoint with the ID {unknown[0]}.")
        return [it for it in found.values() if it is not None]

    def clean(self) -> dict[str, Any]:
        """Write the rule and undo that, which finds all that is wrong."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    self.write()
                    transaction.set_rollback(True)
            except InvalidParts as error:
                for path, message in error.problems.items():
                    self._add(path.replace(".", "_"), message)
            except Invalid as error:
                self._add(self._channel_at(error.pointer) if error.field == "channels" else error.field, error.message)
        return cleaned

    def write(self) -> AlertRule:
        """Create or change the rule. Raises Invalid."""
        fields = {name: self.cleaned_data[name] for name in WRITABLE if name in self.cleaned_data}
        fields |= {"settings": self._settings(), "channels": self._channels()}
        if self.instance._state.adding:
            return rules.create_rule(self.cleaned_data["tenant"], condition=self.instance.condition, **fields)
        return rules.change_rule(AlertRule.objects.get(pk=self.instance.pk), fields)

    def _settings(self) -> dict[str, Any]:
        if self.watched is None:
            return dict(self.instance.settings)
        given = {it.name: self.cleaned_data.get(field_name(it)) for it in self.watched.settings}
        return {name: value for name, value in given.items() if value not in (None, "", [])}

    def _channels(self) -> list[dict[str, Any]]:
        of_type = {TYPE.EMAIL: "email", TYPE.APPRISE: "url", TYPE.ENDPOINT: "endpoint"}
        return [{"type": it, of_type[it]: one} for it, field in CHANNELS.items() for one in self.cleaned_data[field]]

    def _channel_at(self, pointer: str) -> str:
        """Return the field of the channel at a JSON pointer, such as "/2/url"; empty: it names none."""
        place = pointer.split("/")[1] if pointer else ""
        return CHANNELS[self._channels()[int(place)]["type"]] if place else ""

    def _add(self, field: str, message: str) -> None:
        self.add_error(field if field in self.fields else None, message)


def form_of(condition: Condition | None) -> type[AlertRuleForm]:
    """Return the form of the rules that watch this condition."""
    settings = condition.settings if condition else ()
    fields = {field_name(it): setting_field(it, initial=it.default, is_new=True) for it in settings}
    return type("AlertRuleForm", (AlertRuleForm,), {**fields, "watched": condition})


def _shown_channels(rule: AlertRule) -> dict[str, list[str]]:
    """Return the values of the fields of the channels."""
    shown: dict[str, list[str]] = {field: [] for field in CHANNELS.values()}
    for it in channels_of(rule):
        shown[CHANNELS[TYPE(it.type)]].append(shown_channel(it))
    return shown


def shown_channel(channel: AlertChannel) -> str:
    """Return what a channel sends to: an address, a URL without its secrets, or the ID of an endpoint."""
    return channel.email or channel.shown_url or (channel.endpoint.public_id if channel.endpoint else "")
