"""Collect the tests in a browser where there is one; without one the pages are tested as text."""

import shutil

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
collect_ignore = [] if BROWSER else ["test_browser.py"]
