"""Collect the tests in a browser where there is one; without one the pages are tested as text."""

from tests.browser import BROWSER

collect_ignore = [] if BROWSER else ["test_browser.py", "test_browser_forms.py"]
