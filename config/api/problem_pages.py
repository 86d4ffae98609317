"""Serve a page for each kind of problem, at the URL that a problem has as its ``type``, and one that lists them all."""

import re
from functools import partial
from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from config.ops.fixed_page import FixedPage
from subscriptions.api.conventions.problem_types import PROBLEM_TYPES

HTML = "text/html; charset=utf-8"
_CODE = re.compile(r"`([^`]+)`")


def _marked_up(text: str) -> SafeString:
    """Return a text with what stands in backquotes as code."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308  # escaped


def _render(*codes: str) -> bytes:
    problems = [
        {
            "code": code,
            "title": PROBLEM_TYPES[code].title,
            "statuses": ", ".join(f"{it} {HTTPStatus(it).phrase}" for it in PROBLEM_TYPES[code].statuses),
            "cause": _marked_up(PROBLEM_TYPES[code].cause),
            "remedy": _marked_up(PROBLEM_TYPES[code].remedy),
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
