"""Collect the test of the public pages in a browser where there is one."""

from tests.browser import BROWSER
from tests.browser import browser as browser
from tests.browser import server as server
from tests.browser import started_browser as started_browser

collect_ignore = [] if BROWSER else ["test_public_pages.py"]
