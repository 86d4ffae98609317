"""Collect the tests of the admin in a browser where there is one; without one its pages are tested as text."""

from tests.browser import BROWSER

collect_ignore = [] if BROWSER else ["test_outage.py", "test_accessibility.py"]
