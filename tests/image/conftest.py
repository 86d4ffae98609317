"""Collect the tests only for ``python -m tests.image``, which says what is missing."""

import os

collect_ignore = [] if os.environ.get("WAYPOST_IMAGE_PROGRAM") else ["test_image.py"]
