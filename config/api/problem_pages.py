"""Serve a page for each kind of problem, at the URL that a problem has as its ``type``, and one that lists them all."""

from functools import partial
from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string

from config.ops.fixed_page import FixedPage
from subscriptions.api.conventions.problem_types import PROBLEM_TYPES
from webhooks.kit.admin.display import code_marks

HTML = "text/html; charset=utf-8"


def _render(*codes: str) -> bytes:
    problems = [
        {
            "code": code,
            "title": PROBLEM_TYPES[code].title,
            "statuses": ", ".join(f"{it} {HTTPStatus(it).phrase}" for it in PROBLEM_TYPES[code].statuses),
            "cause": code_marks(PROBLEM_TYPES[code].cause),
            "remedy": code_marks(PROBLEM_TYPES[code].remedy),
        }
        for code in codes
    ]
    return render_to_string("config/problems.html", {"problems": problems, "is_list": len(codes) > 1}).encode()


problems = FixedPage(partial(_render, *PROBLEM_TYPES), HTML)
_pages = {code: FixedPage(partial(_render, code), HTML) for code in PROBLEM_TYPES}


def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Respond with the page of one kind of problem."""
    page = _pages.get(code)
    if page is None:
        raise Http404
    return page(request)
