"""The pages of the admin are accessible and no wider than their window: light on a desktop, dark on a phone.

All lists, forms and pages that ask are opened, and the pages of the main rows.
"""

import re
from functools import partial
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect

from delivery.models import Alert, DeadLetter, Delivery, DrainReport, Event, Replay
from subscriptions.models import ApiKey, Endpoint, Tenant
from tests.browser import DESKTOP, PHONE, faults
from tests.config.admin.browser.signed_in import open_admin
from tests.config.admin.pages import WITHOUT_ROWS, make_rows, page_of
from tests.config.admin.test_walk import ONLY_SHOW, verbs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SHOWN = (Tenant, Endpoint, Event, Delivery, DeadLetter, Replay, Alert, ApiKey, User)  # whose rows' pages are opened
MAIN = 6 + len(SHOWN)  # the first of the paths are the main pages
INSTANT = re.compile(r"\b20(?!30)\d\d-\d\d-\d\dT\d\d:\d\d")


def paths() -> list[str]:
    """Return the first page, and every list, form, page of a row and page that asks."""
    _, rows = make_rows()
    models = list(admin.site._registry)
    with_rows = [it for it in models if it not in WITHOUT_ROWS]
    asking = [it.address for it in verbs(rows) if it.name not in ONLY_SHOW]
    found = [
        reverse("admin:index"),
        reverse("second-factor"),
        f"{reverse('admin:delivery_event_find')}?q=order",
        reverse("admin:delivery_delivery_attempt", args=[rows[Delivery].pk, 1]),
        page_of(Tenant, "history", rows[Tenant].pk),
        f"{page_of(Event, 'changelist')}?q=nothing",
        *(page_of(model, "change", rows[model].pk) for model in SHOWN),
        *(page_of(model, "changelist") for model in models),
        *(page_of(model, "add") for model in with_rows),
        page_of(User, "delete", rows[User].pk),
        *asking,
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("window", "colours", "first"), [(DESKTOP, "light", 0), (PHONE, "dark", 1)], ids=["desktop-light", "phone-dark"]
)
def test_pages_are_accessible(server: str, browser: Browser, window: dict[str, int], colours: Any, first: int) -> None:
    """The main pages are opened in both variants, and of the others every second one in each."""
    found = paths()
    chosen = [*found[:MAIN], *found[MAIN + first :: 2]]
    page = open_admin(browser, server, "administrator", viewport=window, color_scheme=colours)
    said: list[str] = []
    page.on("console", partial(note_refused, said))
    refused = set()
    for path in chosen:
        status = status_of(page, f"{server}{path}")
        assert status in (200, 403, 405), path  # not every form is for an administrator, nor every verb a page
        if status != 200:
            refused.add(path)
            continue
        said += [f"{path} {it}" for it in faults(page)]
        said += [f"{path} shows {it}" for it in INSTANT.findall(page.locator("body").inner_text())]
    assert said == []
    assert refused.isdisjoint([*found[:MAIN], *(page_of(it, "changelist") for it in (Endpoint, DrainReport))])
    assert page_of(Endpoint, "add") not in refused
    assert {page_of(Endpoint, "changelist"), page_of(Endpoint, "add"), page_of(DrainReport, "changelist")} < {*found}


def status_of(page: Page, address: str) -> int:
    """Open a page and return the status of the response."""
    try:
        response = page.goto(address)
    except Error:  # the response has no body
        return page.request.get(address).status
    assert response is not None
    return response.status


def note_refused(said: list[str], message: ConsoleMessage) -> None:
    """Note what the Content-Security-Policy has refused."""
    if "Content Security Policy" in message.text:
        said.append(message.text)


FOCUSED = """() => {
  const it = document.activeElement;
  if (!it || it === document.body) return null;
  const styles = [it, it.parentElement].map((each) => getComputedStyle(each));
  const isVisible = styles.some((style) => style.outlineStyle !== "none" || style.boxShadow.includes("0px 0px 0px 1"));
  const name = it.getAttribute("aria-label") || it.title || it.id || it.name || it.textContent.trim().slice(0, 40);
  return [`${it.tagName.toLowerCase()} ${name}`, isVisible];
}"""
MOST_STOPS = 150  # elements of a page that the key Tab leads to


def stops_of(page: Page) -> list[tuple[str, bool]]:
    """Return what the key Tab leads to, in turn, and whether its focus can be seen."""
    found: list[tuple[str, bool]] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUSED)
        if stop is None or tuple(stop) in found[:1]:
            break
        found.append((stop[0], stop[1]))
    return found


def test_search_filters_actions_and_rows_are_reached_by_keys_with_a_visible_focus(
    server: str, browser: Browser
) -> None:
    _, rows = make_rows()
    page = open_admin(browser, server, "administrator", viewport=DESKTOP)
    page.goto(f"{server}{page_of(Delivery, 'changelist')}")
    stops = stops_of(page)
    names = " | ".join(name for name, _ in stops)
    for expected in ("Find by ID", "Search by any ID", "button Search", "button wp-filters", rows[Delivery].public_id):
        assert expected in names, (expected, names)
    assert [name for name, is_visible in stops if not is_visible] == []


def test_filters_are_opened_and_closed_by_keys(server: str, browser: Browser) -> None:
    make_rows()
    page = open_admin(browser, server, "administrator", viewport=DESKTOP)
    page.goto(f"{server}{page_of(Delivery, 'changelist')}")
    expect(page.locator("#changelist-filter")).to_be_hidden()
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "wp-filters":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#changelist-filter")).to_be_visible()
    page.wait_for_function("document.querySelector('#changelist-filter').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(page.locator("#changelist-filter")).to_be_hidden()
    expect(page.locator("#wp-filters")).to_be_focused()


def test_menu_of_the_user_is_opened_by_a_key(server: str, browser: Browser) -> None:
    page = open_admin(browser, server, "viewer", viewport=DESKTOP)
    page.goto(f"{server}/admin/")
    menu = page.get_by_role("button", name="a viewer")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Second factor")).to_be_visible()
