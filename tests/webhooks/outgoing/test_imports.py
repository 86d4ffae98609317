"""Check that a process which makes no outgoing call does not load the HTTP client."""

import subprocess
import sys


def test_client_is_not_imported_before_the_first_call() -> None:
    code = "import sys, django; django.setup(); import delivery.tasks, config.urls; print('aiohttp' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split()[-1] == "False"
