"""Run the suite with the real settings and embedded servers, in a data directory of its own.

Each process of the suite (`pytest -n`) has its own servers, so that it receives no notification of another process.
With DATABASE_URL or REDIS_URL set, the suite uses those servers instead. Each process then still has a database of its
own, but the broker is shared: run the suite as one process. Processes that a test starts are configured by the
environment.
"""

import atexit
import os
import sys
import tempfile
from pathlib import Path

from config.local.embedded import POSTGRES, VALKEY, leave
from config.local.process_guard import ProcessGuard

_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if "WAYPOST_TESTS_DATA" not in os.environ:
    _data = Path(tempfile.mkdtemp(prefix="waypost-tests-"))
    _data.chmod(0o711)  # the servers' user passes through, where we are root
    _discard = [sys.executable, "-m", "config.local.embedded", "discard", str(_data), "600"]  # seconds

    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # what a failed test wrote is kept
    (_data / "tmp").mkdir(mode=0o711)
    os.environ["TMPDIR"] = tempfile.tempdir = str(_data / "tmp")  # all other temporary files are removed at the end
    os.environ["WAYPOST_TESTS_DATA"] = os.environ["WAYPOST_DATA"] = str(_data)
    os.environ.setdefault("PYTHONHASHSEED", "0")  # the workers name a test that has a set in its name alike
    _guard = ProcessGuard(f"tests {_data}", clean_up=_discard)

    def _end() -> None:
        """Release this process's leases of the servers first: the clean-up command waits until nothing uses them."""
        for server in (POSTGRES, VALKEY):
            leave(server, _data, 0)
        _guard.close()

    atexit.register(_end)
elif _worker and "WAYPOST_TESTS_WORKER" not in os.environ:
    _data = Path(os.environ["WAYPOST_TESTS_DATA"]) / _worker
    _data.mkdir(mode=0o711)
    os.environ["WAYPOST_TESTS_WORKER"], os.environ["WAYPOST_DATA"] = _worker, str(_data)
os.environ["WAYPOST_ENV"] = "development"
os.environ["WAYPOST_EMBEDDED_LOGICAL"] = "1"  # a second database of the server is read by sources

from config.settings import *  # noqa: E402, F403 (the environment comes first)
from config.settings import DATABASES, WAYPOST_EMBEDDED_DATABASE  # noqa: E402

if WAYPOST_EMBEDDED_DATABASE:
    DATABASES["default"]["ENGINE"] = "tests.postgresql_without_fsync"

# One hash of the usual hasher takes a quarter of a second or more, and hundreds of tests make users.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
