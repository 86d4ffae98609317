"""Serve the description of the API (OpenAPI) and the pages that show it.

The description is a file in the repository: computing it takes about a second of processor time, which no request may
cost. ``tests/api/test_description.py`` compares the file with what the generator makes of the code.
"""

from pathlib import Path

import orjson
from django.template.loader import render_to_string

from config.ops.fixed_page import FixedPage

FILE = Path(__file__).with_name("openapi.json")
MEDIA_TYPE = "application/vnd.oai.openapi+json"


def _description() -> bytes:
    """Return the description without the blanks of the file."""
    return orjson.dumps(orjson.loads(FILE.read_bytes()))


def _pages() -> bytes:
    return render_to_string("config/docs.html").encode()


schema = FixedPage(_description, MEDIA_TYPE)
docs = FixedPage(_pages, "text/html; charset=utf-8")
