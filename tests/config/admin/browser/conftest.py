"""Collect the tests of the admin in a browser where there is one; without one its pages are tested as text."""

from tests.browser import BROWSER
from tests.browser import browser as browser
from tests.browser import server as server
from tests.browser import started_browser as started_browser

FILES = ("test_outage.py", "test_accessibility.py", "test_list_widths.py", "test_long_names.py")
collect_ignore = [] if BROWSER else [*FILES]
