"""Test that the commands which change what is set up run as operations."""

import pytest
from django.core.management import get_commands, load_command_class

from webhooks.kit.audit.commands import AuditedCommand

CHANGING = (
    *("tenant", "platform_key", "source", "replay", "import_event_types", "import_svix"),
    *("createsuperuser", "changepassword", "backup"),
)


@pytest.mark.parametrize("name", CHANGING)
def test_command_that_changes_something_names_its_user_in_the_audit(name: str) -> None:
    app = get_commands()[name]
    assert isinstance(app, str)
    assert isinstance(load_command_class(app, name), AuditedCommand)
