"""Labels of fields are words: abbreviations are written as such, and a form says the unit."""

import re
from typing import Any

import pytest
from django.utils.html import strip_tags

from config.access.roles import make_roles
from subscriptions.models import Role
from tests.config.admin.pages import make_rows, page_of, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MISWRITTEN = re.compile(r"\b(id|Id|uid|Uid|url|Url|tls|Tls|Timezone)\b|_")


def labels_of(form: Any) -> list[str]:
    return [strip_tags(str(field.label_tag())) for fieldset in form for line in fieldset for field in line]


def test_labels_of_all_pages_are_words() -> None:
    _, rows = make_rows()
    make_roles()
    client = signed_in(Role.ADMINISTRATOR)
    found = []
    for model, row in rows.items():
        for path in (page_of(model, "change", row.pk), page_of(model, "add")):
            response = client.get(path)
            form = (response.context or {}).get("adminform") if response.status_code == 200 else None
            found += [(model._meta.label, it) for it in labels_of(form or ()) if MISWRITTEN.search(it)]
    assert found == []
