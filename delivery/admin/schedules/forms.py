"""Validate schedules in the admin's forms, by what creating and changing them does."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from delivery.models import Schedule
from delivery.schedules import schedules
from subscriptions.errors import Invalid
from webhooks.wire.errors import InvalidEvent

EXAMPLE = {"type": "reminder.due", "data": {"at": "<schedule.scheduled_at>"}}
WRITABLE = (
    *("uid", "group", "description", "expression", "timezone", "start_at", "end_at", "flexible_window_minutes"),
    *("catch_up", "action_after_completion"),
)


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """Create or edit a schedule; its tenant stays."""

    event = forms.JSONField(
        initial=EXAMPLE,
        encoder=DjangoJSONEncoder,
        widget=forms.Textarea(attrs={"rows": 8, "class": "wp-input", "spellcheck": "false"}),
        help_text="The event in the plain form: type, and optionally source, subject, data, extensions. Texts may "
        "contain &lt;schedule.scheduled_at&gt;, &lt;schedule.id&gt; and &lt;schedule.occurrence&gt;.",
    )

    class Meta:
        model = Schedule
        fields = ("tenant", *WRITABLE)
        labels = {"timezone": "Time zone", "flexible_window_minutes": "Flexible window (minutes)"}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.template:
            self.initial["event"] = self.instance.event

    def clean_uid(self) -> str | None:
        """Return the uid; empty means none."""
        return self.cleaned_data["uid"] or None

    def clean(self) -> dict[str, Any]:
        """Write the schedule and undo that, which finds all that is wrong."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            self._try(self.write)
        return cleaned

    def write(self) -> Schedule:
        """Create or change the schedule. Raises Invalid and InvalidEvent."""
        fields = {name: self.cleaned_data[name] for name in (*WRITABLE, "event") if name in self.cleaned_data}
        if self.instance._state.adding:
            return schedules.create_schedule(self.cleaned_data["tenant"], **fields)
        return schedules.change_schedule(Schedule.objects.get(pk=self.instance.pk), fields)

    def _try(self, write: Callable[[], Schedule]) -> None:
        try:
            with transaction.atomic():
                write()
                transaction.set_rollback(True)
        except Invalid as error:
            self.add_error(error.field if error.field in self.fields else None, error.message)
        except InvalidEvent as error:
            self.add_error("event", f"{error.attribute or 'The event'} {error.reason}.")
