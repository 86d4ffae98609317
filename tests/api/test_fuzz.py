"""What a machine makes up from the description is answered as the description says, whoever asks."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.fuzz import fuzz
from tests.api.things import Things
from tests.factories import make_key, make_tenant


@pytest.mark.django_db(transaction=True)
def test_whatever_is_sent_is_answered_as_described(live_server: Any, tmp_path: Path) -> None:
    """The short form, with the same seed each time; ``make api-fuzz`` is the long one."""
    tenants = {"ours": make_tenant(), "theirs": make_tenant()}
    for tenant in tenants.values():
        Things(tenant).all()
    keys = {name: make_key(tenant)[1] for name, tenant in tenants.items()}
    done = fuzz(live_server.url, keys, tmp_path, "--max-examples", "10", "--seed", "1", "--phases", "examples,fuzzing")
    assert done.returncode == 0, done.stdout + done.stderr
