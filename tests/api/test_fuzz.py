"""A short fuzzing run of the API."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.fuzz import fuzz
from tests.api.tenant_rows import TenantRows
from tests.factories import make_key, make_tenant


@pytest.mark.django_db(transaction=True)
def test_generated_requests_get_described_responses(live_server: Any, tmp_path: Path) -> None:
    """Use the same seed each time; ``make api-fuzz`` is the long run."""
    tenants = {"ours": make_tenant(), "theirs": make_tenant()}
    for tenant in tenants.values():
        TenantRows(tenant).all()
    keys = {name: make_key(tenant)[1] for name, tenant in tenants.items()}
    result = fuzz(live_server.url, keys, tmp_path, "--max-examples", "5", "--seed", "1", "--phases", "examples,fuzzing")
    assert result.returncode == 0, result.stdout + result.stderr
