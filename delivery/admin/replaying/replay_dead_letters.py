"""Replay dead letters, selected in the list or matching a filter (``letter_filter``) that can be changed here."""

from django.http import HttpRequest

from delivery.admin.replaying.letter_filter import filter_form, kept_fields, lines_of, read_selection
from delivery.admin.replaying.replay_page import ReplayPage, ReplayRequest
from delivery.models import DeadLetter


class ReplayDeadLettersPage(ReplayPage):
    """Ask for a replay of dead letters that are not closed."""

    model = DeadLetter
    title = "Replay dead letters"
    template = "delivery/admin/replay_dead_letters.html"

    def read(self, request: HttpRequest) -> ReplayRequest:
        selection = read_selection(request.GET)
        is_selected = bool(selection.filter.ids)
        context = {
            "lines": lines_of(selection) if is_selected else (),
            "choice": None if is_selected else filter_form(request.GET),
            "kept": () if is_selected else kept_fields(request.GET),
        }
        return ReplayRequest(
            selection.tenant, selection.filter, is_of_all_tenants=selection.is_of_all_tenants, context=context
        )
