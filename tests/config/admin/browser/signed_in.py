"""Open the admin in a browser as a user with a role."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from playwright.sync_api import Browser, Page

from config.access.roles import make_roles
from webhooks.kit.charts import viewer_zone


def open_admin(browser: Browser, server: str, role: str, **window: Any) -> Page:
    """Return a page of a user with this role, who has signed in. ``window``: its size, colours and time zone."""
    make_roles()
    user, _ = User.objects.get_or_create(username=f"a {role}", defaults={"is_staff": True})
    user.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(user)
    context = browser.new_context(**window)
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": server}])
    page = context.new_page()
    zone = page.evaluate("encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC')")
    context.add_cookies(
        [{"name": viewer_zone.COOKIE, "value": zone, "url": server}]
    )  # without it the first page loads twice
    return page
