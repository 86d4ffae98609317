"""The pages that create a replay: each counts first, asks for a rate, and leads to the replay it has created.

What is asked for stands in the query, in the words of ``replay.Filter``; a page reads it and says it in its own words.
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
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from delivery.replaying import replays
from delivery.templatetags.delivery_admin import span
from subscriptions.models import Tenant

__all__ = ["PAGING", "REPLAY", "Question", "ReplayPage"]

REPLAY = "delivery.add_replay"  # the permission to bring dead letters back, and to send events again
PAGING = frozenset({"p", "o", "e"})  # what a list needs for itself


class RateForm(forms.Form):
    rate = forms.IntegerField(
        min_value=1,
        max_value=replays.MAX_RATE,
        initial=replays.DEFAULT_RATE,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Deliveries per second, at most.",
    )


@dataclass(slots=True)
class Question:
    """What the query asks for: whose (None: everybody's), and which; no filter if there is a ``problem`` with it.
    ``shown`` is for the template."""

    tenant: Tenant | None
    filter: replays.ReplayFilter | None
    problem: str = ""
    shown: dict[str, Any] = field(default_factory=dict)


class ReplayPage:
    """A page below a list. Another one says the ``ClassVar``s and how its query is read."""

    model: ClassVar[type[Model]]
    title: ClassVar[str]
    template: ClassVar[str]
    created: ClassVar[str]  # what is said afterwards, with how many

    def __init__(self, model_admin: ModelAdmin) -> None:
        self.model_admin = model_admin

    def ask(self, request: HttpRequest) -> Question:
        """Raises ValueError, in words for the operator, for what leads back to the list."""
        raise NotImplementedError

    def view(self, request: HttpRequest) -> HttpResponse:
        """GET counts, POST creates the replay and leads to it."""
        if not request.user.has_perm(REPLAY):
            raise PermissionDenied
        try:
            question = self.ask(request)
        except ValueError as error:
            messages.error(request, " ".join(map(str, error.args)))
            return redirect(self._list())
        form = RateForm(request.POST if request.method == "POST" else None, initial={"rate": replays.DEFAULT_RATE})
        counted = replays.DeliveryCount(0)
        try:
            if request.method == "POST" and question.filter and form.is_valid():
                return self._create(request, question.tenant, question.filter, form.cleaned_data["rate"])
            if question.filter:
                counted = replays.preview(question.tenant, question.filter)
        except ValueError as error:
            question.problem = " ".join(map(str, error.args))
        return self._page(request, question, counted, form)

    def _create(
        self, request: HttpRequest, tenant: Tenant | None, wanted: replays.ReplayFilter, rate: int
    ) -> HttpResponse:
        row = replays.start(tenant, wanted, rate=rate, by=f"admin:{request.user.get_username()}")
        self.model_admin.log_addition(
            request, row, f"{self.title}: {row.total} at {rate} a second, {row.scope}: {row.filter}"
        )
        messages.success(request, self.created.format(f"{row.total:,}"))
        return redirect("admin:delivery_replay_change", row.pk)

    def _page(
        self, request: HttpRequest, question: Question, counted: replays.DeliveryCount, form: RateForm
    ) -> TemplateResponse:
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": self.title,
            "opts": self.model._meta,
            "media": self.model_admin.media,
            "back": self._list(),
            "total": counted.total,
            "estimated": counted.estimated,
            "lasts": _lasts(counted.total, form),
            "problem": question.problem,
            "form": form,
            **question.shown,
        }
        return TemplateResponse(request, self.template, context)

    def _list(self) -> str:
        return reverse(f"admin:delivery_{self.model._meta.model_name}_changelist")


def _lasts(total: int, form: RateForm) -> str:
    """How long that takes at the rate that stands in the form, where it takes long enough to be said."""
    rate = form["rate"].value()
    seconds = total / int(rate) if str(rate).isdecimal() and int(rate) else 0
    return f"about {span(timedelta(seconds=seconds))}" if seconds >= 1 else ""
