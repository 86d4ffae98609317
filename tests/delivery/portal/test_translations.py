"""Every text of the pages has a German translation: in templates and views, and of the API where pages show it."""

import ast
import gettext
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.utils.translation.template import templatize

from delivery.reading.timeline import FAILURE_NAMES
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_tenant
from webhooks.kit.conditions.registry import CONDITIONS

TEMPLATES = sorted(Path("delivery/templates/delivery/portal").rglob("*.html"))
CODE = [*sorted(Path("delivery/portal").rglob("*.py")), Path("delivery/templatetags/delivery_portal.py")]
CALLS = {"_", "gettext", "gettext_lazy", "ngettext"}
CALL_IN_TEMPLATE = re.compile(r"""(?:gettext|_)\(u?("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""")
SHOWN_ATTRIBUTES = {"title", "aria-label", "alt", "placeholder"}
EXAMPLE = re.compile(r"[{\[].*|https?://\S+|\S*[.*]\S*|cron\(.*", re.DOTALL)  # in an empty field
SAME = {"UTC", "URL", "ms", "Waypost", "5xx"}
"""Words that stand in templates as they are, since they are the same in every language."""
with Path("delivery/locale/de/LC_MESSAGES/django.mo").open("rb") as file:
    GERMAN = gettext.GNUTranslations(file)


def untranslated(texts: Iterator[str] | list[str]) -> list[str]:
    catalogue = GERMAN._catalog  # type: ignore[attr-defined]  # gettext() cannot tell a missing text from an equal one
    return [it for it in texts if it not in catalogue and (it, 0) not in catalogue]


def messages_of_code(path: Path) -> Iterator[str]:
    """Yield the constant texts that a module translates; of a plural the first."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield from (it.value for it in node.args[:1] if isinstance(it, ast.Constant))


def messages_of_template(path: Path) -> Iterator[str]:
    """Yield the texts that a template translates, as makemessages finds them."""
    for literal in CALL_IN_TEMPLATE.findall(templatize(path.read_text(), origin=str(path))):
        yield ast.literal_eval(literal)


def test_texts_are_found_in_code_and_templates():
    assert "This did not work" in {text for path in CODE for text in messages_of_code(path)}
    found = {text for path in TEMPLATES for text in messages_of_template(path)}
    assert {"Sign out", "%(count)s delivery waits.", "Your plan:", "Address or description", "Webhooks"} <= found
    assert len(found) > 300


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_text_of_a_template_has_a_translation(path):
    assert untranslated(messages_of_template(path)) == []


@pytest.mark.parametrize("path", CODE, ids=str)
def test_text_of_a_view_has_a_translation(path):
    assert untranslated(messages_of_code(path)) == []


@pytest.mark.parametrize("name", [it.name for it in CONDITIONS.values() if not it.is_for_operators])
def test_condition_that_a_tenant_can_watch_has_a_translation(name):
    condition = CONDITIONS[name]
    texts = [condition.label, condition.description]
    assert untranslated(texts + [text for it in condition.settings for text in (it.label, it.help_text)]) == []


def test_failure_of_an_attempt_has_a_translation():
    assert untranslated(list(FAILURE_NAMES.values())) == []


class ShownTexts(HTMLParser):
    """Gather what a page shows: texts, and attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.found += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside != "code":
            self.found.append(data)


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_shows_no_text_that_is_not_translated(path):
    source = re.sub(r"{% blocktranslate.*?{% endblocktranslate %}", "", path.read_text(), flags=re.DOTALL)
    parser = ShownTexts()
    parser.feed(re.sub(r"{[%{#].*?[%}#]}", "", source))
    texts = [it for it in parser.found if not EXAMPLE.fullmatch(it.strip())]
    assert {word for text in texts for word in re.findall(r"\w\w+", text)} - SAME == set()


@pytest.mark.django_db
def test_new_pages_are_german():
    client = portal_client(make_tenant(), language="de")
    assert "Neuer Zeitplan" in text_of(client.get("/portal/schedules/new/"))
    page = text_of(client.get("/portal/alert-rules/new/success_rate/"))
    assert "Erfolgsquote" in page
    assert "Wann schlägt sie an?" in page
