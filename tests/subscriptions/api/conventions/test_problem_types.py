"""Each kind of problem has a page at the URL that problems name it by, and a row on the page of the docs."""

import ast
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import Client
from rest_framework import exceptions

from config.web.pages.refusals import REFUSALS
from subscriptions.api.conventions.problem_types import PROBLEM_TYPES, problem_type_url
from webhooks.receiving.responses import PROBLEMS

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "reference" / "problems.md"
HEAD = """\
# Problems

Every response that is no success is a problem (RFC 9457, `application/problem+json`). Its `code` is one of those
below, and its `type` is the URL of a page of your platform with the same text: `/problems/CODE/`. `detail` says what is
wrong with this request.

This page is written from `subscriptions/api/conventions/problem_types.py`:
`WAYPOST_WRITE_PROBLEMS=1 make test ARGS=tests/subscriptions/api/conventions/test_problem_types.py` writes it anew.

| code | status | cause | remedy |
|---|---|---|---|
"""


def page() -> str:
    rows = (
        f"| `{code}` | {', '.join(map(str, it.statuses))} | {it.cause} | {it.remedy} |\n"
        for code, it in PROBLEM_TYPES.items()
    )
    return HEAD + "".join(rows)


def codes_of_the_platform() -> set[str]:
    """Return every code that a class of ours, or of REST framework, gives a problem."""
    codes = {str(it.default_code) for it in vars(exceptions).values() if hasattr(it, "default_code")}
    for app in ("webhooks", "subscriptions", "delivery", "config"):
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_code":
                    codes.add(ast.literal_eval(node.value))
    codes |= {code for code, _ in PROBLEMS.values()} | {it.code for it in REFUSALS}
    return codes | {"plan_exceeded", "rate_limited", "too_large"}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert codes_of_the_platform() == set(PROBLEM_TYPES)


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_type_of_a_problem_is_the_url_of_its_page(code: str) -> None:
    response = Client().get(urlsplit(problem_type_url(code)).path, HTTP_HOST=urlsplit(problem_type_url(code)).netloc)
    text = response.content.decode()
    assert response.status_code == 200
    assert f"<code>{code}</code>" in text
    assert "Cause" in text
    assert "Remedy" in text
    assert "https://" not in text  # it works without the Internet


def test_type_that_is_unknown_has_no_page() -> None:
    assert Client().get("/problems/other/").status_code == 404


def test_list_of_problems_links_every_page() -> None:
    text = Client().get("/problems/").content.decode()
    assert all(f'href="/problems/{code}/"' in text for code in PROBLEM_TYPES)


def test_problem_of_the_receiver_has_the_title_of_its_kind() -> None:
    assert all(
        title == PROBLEM_TYPES[code].title and status in PROBLEM_TYPES[code].statuses
        for status, (code, title) in PROBLEMS.items()
    )


def test_page_of_the_docs_shows_the_kinds_of_problems() -> None:
    """Run with WAYPOST_WRITE_PROBLEMS=1 to write the page anew."""
    if os.environ.get("WAYPOST_WRITE_PROBLEMS"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()
