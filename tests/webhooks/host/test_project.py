"""Test that an app names what its project lacks."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from webhooks.host.project import require_apps, require_packages, set_defaults


def test_missing_app_is_named_with_what_to_write() -> None:
    require_apps("delivery", ["webhooks"])
    with pytest.raises(ImproperlyConfigured, match=r'write "shop", "delivery" in INSTALLED_APPS'):
        require_apps("delivery", ["webhooks", "shop"])


def test_missing_package_is_named_with_what_to_install() -> None:
    require_packages("delivery", {"json": "waypost[provider]"})
    with pytest.raises(ImproperlyConfigured, match=r'needs the package nowhere: pip install "waypost\[provider\]"'):
        require_packages("delivery", {"nowhere": "waypost[provider]"})


def test_default_is_set_only_where_the_project_has_no_value(settings) -> None:
    settings.WAYPOST_CATALOGUE = "key"
    set_defaults({"WAYPOST_CATALOGUE": "public", "WAYPOST_OF_A_TEST": 5})
    assert (settings.WAYPOST_CATALOGUE, settings.WAYPOST_OF_A_TEST) == ("key", 5)
    del settings.WAYPOST_OF_A_TEST
