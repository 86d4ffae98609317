"""`manage.py demo` as a stranger runs it."""

import os
import subprocess
import sys

from django.conf import settings


def test_the_demo_counts_right_and_ends() -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    demo = subprocess.run(
        [sys.executable, "manage.py", "demo", "--exit"],
        cwd=settings.BASE_DIR,
        env=kept,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert demo.returncode == 0, demo.stdout
    assert "Every count is what it must be." in demo.stdout
