"""Go from `manage.py up` to a verified webhook in a browser, by the pages of the portal only."""

import json
import os
import re
import socket
import sys
from pathlib import Path

from django.conf import settings
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser import BROWSER
from tests.journeys.up import Platform
from tests.ports import free_port
from tests.processes import run, start
from tests.waiting import wait_until

PHONE = {"width": 390, "height": 844}


def link_to(platform: Platform, environment: dict[str, str]) -> str:
    """Return the link that the guide to the portal prints for a new customer."""
    done = run(
        [sys.executable, "manage.py", "portal_link", "acme", "--create"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "WAYPOST_DATA": str(platform.data), **environment},
        text=True,
    )
    assert done.returncode == 0, done.stderr
    url: str = json.loads(done.stdout)["url"]
    return url


def is_listening(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def is_delivered(page: Page) -> bool:
    page.reload()
    return page.get_by_role("cell", name="Delivered").count() == 1


def test_new_user_goes_from_up_to_a_verified_webhook(platform: Platform, tmp_path: Path) -> None:
    """The receiver is the program that the page shows, with the secret that it shows; it responds 401 to all others."""
    port = free_port()
    environment = {
        "PUBLIC_URL": f"http://127.0.0.1:{platform.port}",
        "WAYPOST_ALLOW_HTTP": "yes",
        "WAYPOST_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    platform.up(**environment)
    platform.until_ready()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport=PHONE)  # type: ignore[arg-type]
        page.goto(link_to(platform, environment))
        page.get_by_role("link", name="Add your first endpoint").click()
        page.get_by_role("link", name="A URL of yours").click()
        page.get_by_label("URL").fill(f"http://127.0.0.1:{port}/")
        page.get_by_role("button", name="Add endpoint").click()
        (tmp_path / "receiver.py").write_text(page.locator("#sample-python").inner_text())
        variables = {"PATH": os.environ["PATH"], "PORT": str(port)}
        variables["WEBHOOK_SECRET"] = page.locator("#secret").inner_text()
        receiver = start([sys.executable, "receiver.py"], cwd=tmp_path, env=variables)
        try:
            wait_until(lambda: is_listening(port), "the receiver of the page")
            page.get_by_role("button", name="Send test event").click()
            expect(page.get_by_text("The endpoint accepted the test event: 204")).to_be_visible()
            publish(page)
            page.get_by_role("link", name="Messages").click()
            wait_until(lambda: is_delivered(page), "the event to be delivered")
            page.get_by_role("link", name="order.paid").click()
            expect(page.get_by_text("Attempt 1")).to_be_visible()
            expect(page.get_by_text("204", exact=True)).to_be_visible()
        finally:
            receiver.terminate()
            receiver.wait()
        browser.close()


def publish(page: Page) -> None:
    """Publish an event by running a schedule by hand."""
    page.get_by_role("link", name="Schedules").click()
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Times", exact=True).fill("rate(7 days)")
    page.get_by_label("Type", exact=True).fill("order.paid")
    page.get_by_role("button", name="Create schedule").click()
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("main").get_by_role("link", name=re.compile("order.paid"))).to_be_visible()
