"""The limit of open files, in processes of the test's own."""

import subprocess
import sys
from functools import partial
from resource import RLIMIT_NOFILE, setrlimit

import pytest

from webhooks.kit.process.open_files import RESERVED

SCRIPT = (
    "from webhooks.kit.process.open_files import *; import resource;"
    " print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], free_for_connections())"
)


@pytest.mark.parametrize(
    ("soft", "hard", "free"), [(100, 900, 900 - RESERVED), (500, 500, 500 - RESERVED), (90, 90, 1)]
)
def test_raise_limit_raises_the_soft_limit_to_the_hard_one(soft: int, hard: int, free: int) -> None:
    limit = partial(setrlimit, RLIMIT_NOFILE, (soft, hard))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=limit,
    )
    assert done.stdout.split() == [str(hard), str(hard), str(free)]
