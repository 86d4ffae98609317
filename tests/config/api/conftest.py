"""Collect the test of the API's page in a browser where there is one."""

from tests.browser import BROWSER

collect_ignore = [] if BROWSER else ["test_browser.py"]
