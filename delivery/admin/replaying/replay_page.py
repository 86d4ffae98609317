"""Create a replay from the admin: count first, ask for a rate, and open the new replay's page.

The query has the fields of ``ReplayFilter``; each page reads it and shows it in its own way.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from delivery.admin.replaying.confirmation import ConfirmField
from delivery.replaying import replays
from delivery.replaying.preview import describe
from delivery.replaying.replay_status import warnings_before
from subscriptions.models import Tenant
from webhooks.kit.admin.lists import AdminList
from webhooks.kit.jobs.duration import duration

MAY_REPLAY = "delivery.add_replay"  # replay dead letters and send events again
LIST_PARAMETERS = frozenset({"p", "o", "e"})  # of a list's own: page, order, error


class RateForm(forms.Form):
    """Ask for the rate of a replay."""

    EVERYTHING = "No filter is set: replay everything of this tenant"

    rate = forms.IntegerField(
        min_value=1,
        max_value=replays.MAX_RATE,
        initial=replays.DEFAULT_RATE,
        widget=forms.NumberInput(attrs={"class": "wp-input"}),
        help_text="Maximum deliveries per second.",
    )

    def __init__(self, data: Any, *, is_everything: bool, is_of_all_tenants: bool = False) -> None:
        """``is_everything``: whether no condition narrows the selection, which has to be confirmed.

        ``is_of_all_tenants``: nor does a tenant, which has to be typed.
        """
        super().__init__(data, initial={"rate": replays.DEFAULT_RATE})
        if is_of_all_tenants:
            self.fields["confirm"] = ConfirmField()
        elif is_everything:
            self.fields["all"] = forms.BooleanField(label=self.EVERYTHING)

    @property
    def confirmations(self) -> list[forms.BoundField]:
        """Return the fields that confirm a large selection."""
        return [self[name] for name in self.fields if name != "rate"]


@dataclass(slots=True)
class ReplayRequest:
    """Hold what a query asks for: the tenant (None: all tenants) and the filter, or the problem with it.

    ``is_of_all_tenants``: nothing narrows it to a tenant. ``context`` is added to the template's.
    """

    tenant: Tenant | None
    filter: replays.ReplayFilter | None
    problem: str = ""
    is_of_all_tenants: bool = False
    context: dict[str, Any] = field(default_factory=dict)


class ReplayPage:
    """Ask for a replay below a list. A subclass sets the class variables and reads its query."""

    model: ClassVar[type[Model]]
    title: ClassVar[str]
    template: ClassVar[str]

    def __init__(self, model_admin: AdminList) -> None:
        self.model_admin = model_admin

    def read(self, request: HttpRequest) -> ReplayRequest:
        """Return what the query asks for. Raises ValueError with a message that is shown above the list."""
        raise NotImplementedError

    def view(self, request: HttpRequest) -> HttpResponse:
        """Count on GET; on POST create the replay and redirect to it."""
        if not request.user.has_perm(MAY_REPLAY):
            raise PermissionDenied
        try:
            wanted = self.read(request)
        except ValueError as error:
            messages.error(request, _message(error))
            return redirect(self._list())
        is_everything = wanted.filter is not None and wanted.filter.is_empty
        form = RateForm(
            request.POST if request.method == "POST" else None,
            is_everything=is_everything,
            is_of_all_tenants=wanted.is_of_all_tenants,
        )
        counted = replays.DeliveryCount(0)
        try:
            if request.method == "POST" and wanted.filter and form.is_valid():
                return self._create(request, wanted.tenant, wanted.filter, form.cleaned_data["rate"])
            if wanted.filter:
                counted = replays.preview(wanted.tenant, wanted.filter)
        except ValueError as error:
            wanted.problem = _message(error)
        return self._page(request, wanted, counted, form)

    def _create(
        self, request: HttpRequest, tenant: Tenant | None, selected: replays.ReplayFilter, rate: int
    ) -> HttpResponse:
        row = replays.start(tenant, selected, rate=rate, by=f"admin:{request.user.get_username()}")
        self.model_admin.log_addition(
            request, row, f"{self.title}: {row.total} at {rate} per second, {row.scope}: {row.filter}"
        )
        messages.success(request, f"Replay started: {row.total:,} {'delivery' if row.total == 1 else 'deliveries'}")
        return redirect("admin:delivery_replay_change", row.pk)

    def _page(
        self, request: HttpRequest, wanted: ReplayRequest, counted: replays.DeliveryCount, form: RateForm
    ) -> TemplateResponse:
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": self.title,
            "opts": self.model._meta,
            "media": self.model_admin.media,
            "back": self._list(),
            "total": counted.total,
            "estimated": counted.estimated or counted.is_lower_bound,
            "time_needed": _time_needed(counted.total, form),
            "problem": wanted.problem,
            **(_described(wanted.tenant, wanted.filter) if wanted.filter and not wanted.problem else {}),
            "form": form,
            **wanted.context,
        }
        return TemplateResponse(request, self.template, context)

    def _list(self) -> str:
        return reverse(f"admin:delivery_{self.model._meta.model_name}_changelist")


def _described(tenant: Tenant | None, selected: replays.ReplayFilter) -> dict[str, Any]:
    return {"details": describe(tenant, selected), "warnings": warnings_before(tenant, selected)}


def _message(error: ValueError) -> str:
    """Return the error's arguments, the field's name first, as one text."""
    return " ".join(map(str, error.args))


def _time_needed(total: int, form: RateForm) -> str:
    """Return how long the replay takes at the rate in the form; empty below a second."""
    rate = form["rate"].value()
    seconds = total / int(rate) if str(rate).isdecimal() and int(rate) else 0
    return f"about {duration(timedelta(seconds=seconds))}" if seconds >= 1 else ""
