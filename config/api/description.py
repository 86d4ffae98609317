"""Serve the description of the API (OpenAPI), the pages that show it, and the links to both at the root of the API.

The description is a file in the repository: computing it takes about a second of processor time, which no request may
cost. ``tests/api/test_description.py`` compares the file with what the generator makes of the code.
"""

from pathlib import Path

import orjson
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from config.ops.fixed_page import FixedPage

FILE = Path(__file__).with_name("openapi.json")
UNLISTED = ("data", "verification-callbacks")  # have no list
MEDIA_TYPE = "application/vnd.oai.openapi+json"


def _description() -> bytes:
    """Return the description without the blanks of the file, with the address of this platform."""
    description = orjson.loads(FILE.read_bytes())
    description["servers"][0]["url"] = settings.PUBLIC_URL
    return orjson.dumps(description)


def _links() -> bytes:
    description = orjson.loads(FILE.read_bytes())
    root = reverse("api")
    resources = sorted({path.removeprefix(root).split("/")[0] for path in description["paths"]})
    links = {"openapi": reverse("schema"), "docs": reverse("docs")}
    return orjson.dumps({**links, "resources": {name: f"{root}{name}/" for name in resources if name not in UNLISTED}})


def _pages() -> bytes:
    return render_to_string("config/docs.html").encode()


links = FixedPage(_links, "application/json")
schema = FixedPage(_description, MEDIA_TYPE)
docs = FixedPage(_pages, "text/html; charset=utf-8")
