"""Show how a source is read in the admin: state, lag, partitions; test its settings, and seek after confirmation."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Length
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from webhooks.kit.jobs.duration import duration
from webhooks.models import Source, SourcePartition
from webhooks.outgoing.errors import LimitReached
from webhooks.readers.other_systems import test_settings
from webhooks.readers.partitions import seek
from webhooks.readers.reading_state import readings_of
from webhooks.sources.connections import connection_of
from webhooks.sources.kinds.kind import InvalidSettings, SeekTarget, SourceUnavailable
from webhooks.sources.kinds.registry import HTTP, find_kind
from webhooks.sources.sources import change_source

MAY_CHANGE = "webhooks.change_source"
MAX_PARTITIONS = 100  # shown
TONES = {"reading": "good", "paused": "warn", "failing": "bad", "starting": "info"}


class SeekForm(forms.Form):
    """Ask where to go on reading."""

    to = forms.ChoiceField(
        choices=[("earliest", "The oldest record that exists"), ("latest", "Behind the newest"), ("time", "A time")],
        widget=forms.Select(attrs={"class": "wp-input"}),
    )
    time = forms.DateTimeField(
        required=False,
        label="Time (UTC)",
        widget=forms.DateTimeInput(attrs={"class": "wp-input", "placeholder": "2030-01-31 12:00:00"}),
        help_text="Only with a time: reading goes on at the first record at or after it.",
    )
    partition = forms.CharField(
        required=False,
        max_length=256,
        widget=forms.TextInput(attrs={"class": "wp-input", "autocomplete": "off"}),
        help_text="Name of a partition; empty: all.",
    )

    confirm = forms.BooleanField(
        label="Confirm", help_text="Records are read again, or left out; those read again are duplicates."
    )

    def __init__(self, data: Any = None, *, is_partitioned: bool) -> None:
        super().__init__(data)
        if not is_partitioned:
            del self.fields["partition"]

    @property
    def target(self) -> SeekTarget:
        """Return where to seek, after validation."""
        values = self.cleaned_data
        found: SeekTarget = values["time"] if values["to"] == "time" else values["to"]
        return found

    def clean(self) -> dict[str, Any]:
        """Require the time that is chosen."""
        values: dict[str, Any] = super().clean() or {}
        if values.get("to") == "time" and not values.get("time"):
            self.add_error("time", "Give the time to go on at.")
        return values


def reading_panel(source: Source) -> SafeString:
    """Return the state of reading a source, with its partitions and the pages for it."""
    reading = readings_of([source]).get(source.pk)
    if reading is None:
        return SafeString("Senders post to it.")
    rows = SourcePartition.objects.filter(source=source)
    if find_kind(source.kind).is_partitioned:
        rows = rows.exclude(name="", failing_since=None)  # it lists the others
    rows = rows.order_by(Length("name"), "name")  # 2 before 10
    partitions = list(rows[: MAX_PARTITIONS + 1])
    context = {
        "reading": reading,
        "tone": TONES[reading.state],
        "behind": None if reading.lag_seconds is None else duration(timedelta(seconds=reading.lag_seconds)),
        "partitions": partitions[:MAX_PARTITIONS],
        "left_out": rows.count() - MAX_PARTITIONS if len(partitions) > MAX_PARTITIONS else 0,
    }
    return render_to_string("webhooks/admin/reading.html", context)


def reading_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Test the stored settings, pause or resume, or seek after confirmation. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    source = get_object_or_404(Source.objects.exclude(kind=HTTP), pk=pk, deleted_at=None)
    action = request.POST.get("action", "")
    kind = find_kind(source.kind)
    form = SeekForm(request.POST if action == "seek" else None, is_partitioned=kind.is_partitioned)
    if action == "test":
        _test(request, source)
    elif action in ("pause", "resume"):
        change_source(source, {"state": Source.State.PAUSED if action == "pause" else Source.State.ACTIVE})
        model_admin.log_change(request, source, f"{action}d")
        messages.success(request, f"Source {action}d")
    elif action == "seek" and form.is_valid() and (number := _seek(source, form)):
        model_admin.log_change(request, source, f"sought to {form.target} in {number} partitions")
        messages.success(request, "Reading goes on there")
    if action and not form.errors:
        return redirect("admin:webhooks_source_reading", source.pk)
    site = model_admin.admin_site.each_context(request)
    context = {**site, "title": f"Reading of {source}", "opts": Source._meta, "media": model_admin.media}
    context |= {"source": source, "original": source, "form": form, "kind": kind.label, "can_seek": kind.can_seek}
    return TemplateResponse(request, "webhooks/admin/source_reading.html", {**context, "panel": reading_panel(source)})


def _test(request: HttpRequest, source: Source) -> None:
    try:
        sample = test_settings(find_kind(source.kind), connection_of(source))
    except SourceUnavailable as error:
        messages.error(request, f"{error.setting}: {error}" if error.setting else str(error))
    except (InvalidSettings, LimitReached) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, sample.message)


def _seek(source: Source, form: SeekForm) -> int:
    """Seek; return the number of partitions, or 0 after an error, which is added to the form."""
    try:
        return len(seek(source, form.target, partition=form.cleaned_data.get("partition") or None))
    except SourcePartition.DoesNotExist:
        form.add_error("partition", "No partition with this name.")
    except (SourceUnavailable, InvalidSettings, LimitReached) as error:
        form.add_error("to", str(error))
    return 0
